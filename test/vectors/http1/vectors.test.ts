import { playVectors } from '../play.ts';
import { recordEvents } from './recording.ts';

playVectors({ folder: import.meta.dirname, record: recordEvents });

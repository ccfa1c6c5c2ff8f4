import { EARLY_DATA_IN_FLIGHT_BYTES_DEFAULT } from '../../tls/host-options.ts';
import type { TlsOptions } from '../options.ts';
import type { TlsEntry } from '../schema/tls.ts';
import type { CompileContext } from './context.ts';

export function compileTls(entry: TlsEntry, context: CompileContext): TlsOptions {
  const keyLog = entry['key-log'] ?? '';
  if (keyLog !== '') {
    context.warn(['key-log'], `whoever reads ${keyLog} can decrypt all traffic`);
  }
  return {
    keyLog,
    earlyDataInFlightBytesMax:
      entry['early-data-in-flight-max'] ?? EARLY_DATA_IN_FLIGHT_BYTES_DEFAULT,
  };
}

import type { Findings } from './screen.ts';
export async function triageFindings(_capsule: string, _findings: Findings): Promise<void> {}

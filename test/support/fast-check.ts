/**
 * fast-check, with the same seed in every run: a change that breaks nothing fails nothing, on
 * whatever machine and day. SEED=N tries another one, SLUICE_LONG=1 one of chance (fast-check tells
 * which when it finds something).
 */
import fc from 'fast-check';

const { SEED, SLUICE_LONG } = process.env;
if (SEED !== undefined) fc.configureGlobal({ seed: Number(SEED) });
else if (SLUICE_LONG !== '1') fc.configureGlobal({ seed: 20_261_123 });

export default fc;

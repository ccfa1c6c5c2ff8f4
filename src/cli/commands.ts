/** Commands that have arguments of their own, each loaded when it is asked for. */
import type { Commands } from './command.ts';

export const commands: Commands = {
  cache: async () => (await import('./cache.ts')).cacheCommand,
  incidents: async () => (await import('./incidents.ts')).incidentsCommand,
  certificates: async () => (await import('./running/certificates.ts')).certificatesCommand,
  check: async () => (await import('./check.ts')).checkCommand,
  completion: async () => (await import('./completion.ts')).completionCommand,
  config: async () => (await import('./config.ts')).configCommand,
  exec: async () => (await import('./exec/exec.ts')).execCommand,
  features: async () => (await import('./features.ts')).featuresCommand,
  handshakes: async () => (await import('./handshakes.ts')).handshakesCommand,
  import: async () => (await import('./importing/import.ts')).importCommand,
  log: async () => (await import('./log.ts')).logCommand,
  metrics: async () => (await import('./live/metrics.ts')).metricsCommand,
  origins: async () => (await import('./origins.ts')).originsCommand,
  reload: async () => (await import('./reload.ts')).reloadCommand,
  status: async () => (await import('./status.ts')).statusCommand,
  stop: async () => (await import('./status.ts')).stopCommand,
  tls: async () => (await import('./tls.ts')).tlsCommand,
  top: async () => (await import('./live/top.ts')).topCommand,
  triage: async () => (await import('./triage.ts')).triageCommand,
  upgrade: async () => (await import('./upgrade.ts')).upgradeCommand,
};

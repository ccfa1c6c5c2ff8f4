/** A proxy in memory whose one route has plugins, each written as the text of its `setup`. */
import { stripTypeScriptTypes } from 'node:module';
import { join } from 'node:path';
import { defaultCachePolicy } from '../../src/cache/rules/policy.ts';
import type { ResponseSender } from '../../src/http/exchange.ts';
import { PluginFaults } from '../../src/plugin/faults.ts';
import type { MarkedPlace, PluginOptions } from '../../src/plugin/options.ts';
import { PLUGIN_CONTROL } from '../../src/plugin/origin-views.ts';
import { PluginSet } from '../../src/plugin/plugin-set.ts';
import { pluginsOfRoute } from '../../src/plugin/route-plugins.ts';
import type { ProxyEnvironment } from '../../src/proxy/environment.ts';
import { ReverseProxy } from '../../src/proxy/proxy.ts';
import { type Asked, Client, Facts, Origin, requestHead, Scene } from './exchange-parts.ts';

/** `hooks`: what `setup` returns, as text. */
export function pluginOf(hooks: string, changes: Partial<PluginOptions> = {}): PluginOptions {
  const { name = 'tested' } = changes;
  const source = `import { answer, definePlugin, deny, redirect } from 'sluice/plugin';
export default definePlugin({ name: ${JSON.stringify(name)}, setup: (options, tools) => (${hooks}) });`;
  const path = join(import.meta.dirname, `${name}.ts`);
  return {
    name,
    use: `./${name}.ts`,
    modules: [{ path, text: stripTypeScriptTypes(source) }],
    version: '0',
    options: {},
    match: { routes: [], paths: [], methods: [] },
    onFault: 'refuse',
    hooks: [],
    timeoutMs: 1_000,
    ...changes,
  };
}

export class PluginScene implements Disposable {
  readonly scene: Scene;
  /** `plugin/hook fault` of each, in order. */
  readonly faults: string[] = [];
  /** What was told of them. */
  readonly words: string[] = [];
  readonly logged: string[] = [];
  readonly marks: string[] = [];
  readonly other = new Origin();
  readonly set: PluginSet;
  readonly environment: ProxyEnvironment;
  readonly #proxy: ReverseProxy;

  constructor(
    plugins: readonly PluginOptions[],
    changes: Partial<ProxyEnvironment> = {},
    isEnabled: (name: string) => boolean = () => true,
  ) {
    this.scene = new Scene(changes);
    const numbers: string[] = [];
    const host = {
      marks: {
        enterPlugin: (number: number) => {
          this.marks.push(numbers[number]!);
          return 0;
        },
        leavePlugin: () => this.marks.push('left'),
      },
      faults: new PluginFaults({
        count: (plugin, place, fault) => this.faults.push(`${plugin}/${place} ${fault}`),
        report: ({ words }) => this.words.push(words),
        monotonicMs: () => 0,
      }),
      numberOf: (plugin: string, place: MarkedPlace) => numbers.push(`${plugin}:${place}`) - 1,
      log: (plugin: string, message: string) => this.logged.push(`${plugin}: ${message}`),
    };
    this.set = new PluginSet(plugins, host, isEnabled);
    const { environment } = this.scene;
    const { byDefault } = environment.origins;
    const groups = new Map([
      ['default', byDefault],
      ['other', this.other],
    ]);
    const { dateNow } = environment;
    const input = { route: 'main', origin: 'default', dateNow };
    this.environment = {
      ...environment,
      origins: { groups, byDefault },
      cachePolicy: {
        ...defaultCachePolicy,
        targetedFields: [PLUGIN_CONTROL, ...defaultCachePolicy.targetedFields],
      },
      plugins: pluginsOfRoute({ ...input, set: this.set, hasOrigin: (name) => groups.has(name) }),
    };
    this.#proxy = new ReverseProxy({ find: () => this.environment, unrouted: environment });
  }

  get origin(): Origin {
    return this.scene.origin;
  }

  ask(asked: Asked = {}, facts = new Facts()) {
    const client = new Client();
    const head = requestHead(asked);
    const handler = this.#proxy.onRequest(head, client satisfies ResponseSender, facts);
    if (head.contentLength === 0) handler.onEnd(null);
    return { client, handler, facts };
  }

  [Symbol.dispose](): void {
    this.scene[Symbol.dispose]();
  }
}

/** What promises that are settled already lead to has happened. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

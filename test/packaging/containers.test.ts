import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { Deployment } from 'kubernetes-models/apps/v1';
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1';
import { Service } from 'kubernetes-models/v1';
import { parse } from 'yaml';
import { loadConfiguration } from '../../src/config/load.ts';
import { makeSelfSignedCertificate } from '../../src/tls/self-signed.ts';
import { repository } from '../cli/sluice-process.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const packaging = join(repository, 'packaging');

function read(path: string): string {
  return readFileSync(join(packaging, path), 'utf8');
}

function kubernetes(name: string) {
  return parse(read(`kubernetes/${name}.yaml`));
}

/** Resolves with the options that a configuration means; `replace` puts files of the test's in. */
async function optionsOf(path: string, replace: readonly (readonly [string, string])[] = []) {
  const text = replace.reduce((all, [from, to]) => all.replaceAll(from, to), read(path));
  const directory = temporaryDirectory();
  const { options } = await loadConfiguration({
    flags: new Map(),
    source: { file: path, text, directory },
    command: 'run',
    nowMs: Date.now(),
    stateDirectory: directory,
    demoOrigin: null,
    isCheck: true,
    warn: (message) => assert.fail(message),
  });
  return options;
}

/** Ports of a configuration's listeners, as numbers in containers. */
function portsOf({ listeners }: Awaited<ReturnType<typeof optionsOf>>): number[] {
  return listeners.map(({ address }) => ('port' in address ? address.port : 0));
}

/** Words of an instruction in the form of JSON. */
function instruction(name: string): string[] {
  const line = new RegExp(`^(?:HEALTHCHECK .*\\n\\s*)?${name} (\\[.*\\])$`, 'm');
  return JSON.parse(line.exec(read('docker/Dockerfile'))?.[1] ?? 'null');
}

test('Kubernetes takes the manifests, and their names and ports fit together', () => {
  const deployment = kubernetes('deployment');
  const service = kubernetes('service');
  new Deployment(deployment).validate();
  new Service(service).validate();
  new PodDisruptionBudget(kubernetes('pod-disruption-budget')).validate();
  const { template, selector } = deployment.spec;
  assert.deepEqual(service.spec.selector, selector.matchLabels);
  assert.deepEqual(template.metadata.labels, selector.matchLabels);
  const [container] = template.spec.containers;
  const named = container.ports.map(({ name }: { name: string }) => name);
  for (const { targetPort } of service.spec.ports) assert.ok(named.includes(targetPort));
  const volumes = template.spec.volumes.map(({ name }: { name: string }) => name);
  for (const { name } of container.volumeMounts) assert.ok(volumes.includes(name), name);
  for (const file of kubernetes('kustomization').resources) {
    assert.ok(existsSync(join(packaging, 'kubernetes', file)), file);
  }
});

test('a mistake in a manifest would be found', () => {
  const deployment = kubernetes('deployment');
  deployment.spec.replicas = 'two';
  assert.throws(() => new Deployment(deployment).validate(), /replicas/);
});

test('the configuration of the Kubernetes manifests is right, and listens where they say', async () => {
  const directory = temporaryDirectory();
  const { certificatePem, keyPem } = makeSelfSignedCertificate({
    names: ['example.org'],
    nowMs: Date.now(),
  });
  writeFileSync(join(directory, 'tls.crt'), certificatePem);
  writeFileSync(join(directory, 'tls.key'), keyPem, { mode: 0o600 });
  const options = await optionsOf('kubernetes/sluice.yaml', [['/etc/sluice/tls', directory]]);
  const { template } = kubernetes('deployment').spec;
  const [container] = template.spec.containers;
  const ports = container.ports.map(
    ({ containerPort }: { containerPort: number }) => containerPort,
  );
  assert.deepEqual(portsOf(options), ports);
  // Probes ask where the configuration lets them.
  for (const probe of [container.livenessProbe, container.readinessProbe]) {
    const { admin } = options;
    assert.ok(admin !== null && 'port' in admin);
    assert.match(probe.exec.command.join(' '), new RegExp(`http://${admin.host}:${admin.port}/`));
  }
});

test('the container runs the program that the package has, by the ports that it shows', async () => {
  const [node, , script, ...rest] = instruction('ENTRYPOINT');
  assert.deepEqual([node, rest], ['/app/node', []]);
  assert.equal(script, '/app/node_modules/sluice/bin/sluice.js');
  assert.ok(existsSync(join(repository, 'bin/sluice.js')));
  const words = instruction('CMD');
  const shown = /^EXPOSE (.*)$/m.exec(read('docker/Dockerfile'))?.[1]?.split(' ') ?? [];
  for (const port of shown)
    assert.ok(
      words.some((word) => word.endsWith(port)),
      port,
    );
  assert.match(read('docker/Dockerfile'), /^USER 65532:65532$/m);
});

test('the configuration of the compose file is right, and its files are there', async () => {
  const { edge } = parse(read('docker/compose.yaml')).services;
  const ports = portsOf(await optionsOf('docker/sluice.yaml'));
  const published = edge.ports.map((one: string) => Number(one.split(':')[1]));
  assert.deepEqual(ports, published);
  assert.ok(existsSync(join(packaging, 'docker', edge.build.context, edge.build.dockerfile)));
  const [configuration] = edge.volumes;
  assert.ok(existsSync(join(packaging, 'docker', configuration.split(':')[0])));
});

// `npm run deb`: makes sluice-edge_VERSION_ARCH.deb of the packed package, with the pinned Node and what
// sluice depends on, so that nothing is fetched where it is installed. docs/development/publish.md.
//
//   --package FILE   the packed package; made with npm pack when it is not given
//   --out DIRECTORY  where the .deb goes; by default the current directory
//   --fast           compressed less, for tests
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';

const root = fileURLToPath(new URL('..', import.meta.url));
const sources = join(root, 'packaging', 'debian');

/** npm's `sluice` is Debian's `sluice-edge`: Debian has another program called sluice. */
const NAME = 'sluice-edge';
const MAINTAINER = 'sluice maintainers <maintainers@sluice-edge.invalid>';
/** What the program of Node links to, in Debian 12. */
const DEPENDS = ['libc6 (>= 2.28)', 'libstdc++6', 'libatomic1', 'adduser'];
const ARCHITECTURES = { x64: 'amd64', arm64: 'arm64' };

const { values } = parseArgs({
  options: {
    package: { type: 'string' },
    out: { type: 'string', default: '.' },
    fast: { type: 'boolean', default: false },
  },
});
const work = mkdtempSync(join(tmpdir(), 'sluice-deb-'));
try {
  console.log(build(values.package ?? pack()));
} finally {
  rmSync(work, { recursive: true });
}

function pack() {
  execFileSync('npm', ['pack', '--silent', '--pack-destination', work], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  return join(
    work,
    readdirSync(work).find((name) => name.endsWith('.tgz')),
  );
}

function build(archive) {
  const tree = join(work, 'tree');
  const modules = join(tree, 'usr/lib', NAME, 'node_modules');
  const program = join(modules, 'sluice');
  mkdirSync(program, { recursive: true });
  execFileSync('tar', ['-xzf', archive, '--strip-components=1', '-C', program]);
  const manifest = readManifest(program);
  for (const name of neededBy(manifest)) copyModule(name, modules);
  copyRuntime(modules);
  const documents = join(tree, 'usr/share/doc', NAME);
  installFiles(tree, program, documents);
  const changes = [
    `${NAME} (${manifest.version}) stable; urgency=medium`,
    '  * CHANGELOG.md says what is new.',
    ` -- ${MAINTAINER}  ${new Date().toUTCString()}\n`,
  ].join('\n\n');
  writeFileSync(join(documents, 'changelog.gz'), gzipSync(changes, { level: 9 }));
  writeControl(tree, manifest);
  const file = `${NAME}_${manifest.version}_${ARCHITECTURES[process.arch]}.deb`;
  const target = join(resolve(values.out), file);
  const compression = values.fast ? ['-Zgzip', '-z1'] : ['-Zxz'];
  execFileSync('dpkg-deb', ['--root-owner-group', ...compression, '--build', tree, target], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  return target;
}

function readManifest(directory) {
  return JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'));
}

/** Names of all packages that a package needs, those that its packages need among them. */
function neededBy({ dependencies = {}, optionalDependencies = {} }, found = new Set()) {
  for (const name of [...Object.keys(dependencies), ...Object.keys(optionalDependencies)]) {
    const directory = join(root, 'node_modules', name);
    // That of another processor is not here.
    if (found.has(name) || !existsSync(directory)) continue;
    found.add(name);
    neededBy(readManifest(directory), found);
  }
  return found;
}

function copyModule(name, modules) {
  const source = join(root, 'node_modules', name);
  if (existsSync(join(source, 'node_modules'))) {
    throw new Error(`${name} has packages of its own, which would be put beside others`);
  }
  mkdirSync(dirname(join(modules, name)), { recursive: true });
  cpSync(source, join(modules, name), { recursive: true, dereference: true });
}

/** The program, and what tells its version: no headers, no manual. */
function copyRuntime(modules) {
  const name = `node-linux-${process.arch}`;
  const source = join(root, 'node_modules', name);
  for (const file of ['bin/node', 'package.json', 'LICENSE']) {
    mkdirSync(dirname(join(modules, name, file)), { recursive: true });
    cpSync(join(source, file), join(modules, name, file), { dereference: true });
  }
}

/** What is beside the program: command, units, user, configuration, manual, documents. */
function installFiles(tree, program, documents) {
  put(tree, 'usr/bin/sluice-edge', read('sluice-edge'), 0o755);
  for (const unit of ['sluice.service', 'sluice.socket']) {
    const text = readFileSync(join(program, 'docs/examples', unit), 'utf8');
    const installed = text
      .replace(/^# .*\n(?:# .*\n)*/, '')
      .replaceAll('/usr/bin/node /opt/sluice/bin/sluice.js', '/usr/bin/sluice-edge');
    put(tree, `lib/systemd/system/${unit}`, installed, 0o644);
  }
  put(tree, 'usr/lib/sysusers.d/sluice-edge.conf', read('sysusers.conf'), 0o644);
  put(tree, 'etc/sluice/sluice.yaml', read('sluice.yaml'), 0o640);
  mkdirSync(documents, { recursive: true });
  cpSync(join(program, 'LICENSE'), join(documents, 'copyright'));
  const manual = join(program, 'dist/man');
  for (const page of readdirSync(manual)) {
    const text = gzipSync(readFileSync(join(manual, page)), { level: 9 });
    put(tree, `usr/share/man/man1/${page.replace(/^sluice/, NAME)}.gz`, text, 0o644);
  }
}

function writeControl(tree, { version, description, homepage }) {
  const kilobytes = execFileSync('du', ['-sk', tree], { encoding: 'utf8' }).split('\t')[0];
  const control = [
    `Package: ${NAME}`,
    `Version: ${version}`,
    `Architecture: ${ARCHITECTURES[process.arch]}`,
    `Maintainer: ${MAINTAINER}`,
    `Installed-Size: ${kilobytes}`,
    `Depends: ${DEPENDS.join(', ')}`,
    'Section: httpd',
    'Priority: optional',
    `Homepage: ${homepage.replace(/#.*/, '')}`,
    `Description: ${description.split(',')[0].replace(/^A /, '')}`,
    ` ${description}.`,
    ' The command is sluice-edge. It bears the Node that it runs in, for itself alone.',
    '',
  ];
  put(tree, 'DEBIAN/control', control.join('\n'), 0o644);
  put(tree, 'DEBIAN/conffiles', '/etc/sluice/sluice.yaml\n', 0o644);
  for (const name of ['postinst', 'prerm', 'postrm']) {
    put(tree, `DEBIAN/${name}`, read(name), 0o755);
  }
}

function read(name) {
  return readFileSync(join(sources, name), 'utf8');
}

function put(tree, path, text, mode) {
  const file = join(tree, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  chmodSync(file, mode);
}

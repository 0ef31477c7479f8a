// The platforms that have an addon, by napi's name; each is a package of its own, `@runcycles/<name>`.
export const PLATFORMS = {
  'linux-x64-gnu': { os: 'linux', cpu: 'x64', libc: 'glibc', target: 'x86_64-unknown-linux-gnu' },
  'linux-arm64-gnu': { os: 'linux', cpu: 'arm64', libc: 'glibc', target: 'aarch64-unknown-linux-gnu' },
  'linux-x64-musl': { os: 'linux', cpu: 'x64', libc: 'musl', target: 'x86_64-unknown-linux-musl' },
  'linux-arm64-musl': { os: 'linux', cpu: 'arm64', libc: 'musl', target: 'aarch64-unknown-linux-musl' },
  'darwin-x64': { os: 'darwin', cpu: 'x64', target: 'x86_64-apple-darwin' },
  'darwin-arm64': { os: 'darwin', cpu: 'arm64', target: 'aarch64-apple-darwin' },
  'win32-x64-msvc': { os: 'win32', cpu: 'x64', target: 'x86_64-pc-windows-msvc' },
};

/** The platform that this program runs on. */
export function here() {
  const { platform, arch, report } = process;
  const isGlibc = platform === 'linux' && report.getReport().header.glibcVersionRuntime !== undefined;
  const suffix = { linux: isGlibc ? '-gnu' : '-musl', win32: '-msvc' }[platform] ?? '';
  return `${platform}-${arch}${suffix}`;
}

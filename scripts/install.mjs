/**
 * The package's install script: compiles the addon where timernn is installed.
 * TIMERNN_SKIP_BUILD=1 leaves it out (scripts/setup.sh builds later and only when sources changed; an image may bring
 * its own addon through TIMERNN_NATIVE).
 */
const skip = process.env.TIMERNN_SKIP_BUILD;
if (skip !== undefined && skip !== '' && skip !== '0') {
  console.log('timernn: TIMERNN_SKIP_BUILD is set, the native part is not compiled (npx timernn build does it later).');
} else {
  const { main } = await import('./build-native.mjs');
  process.exitCode = await main([]);
}

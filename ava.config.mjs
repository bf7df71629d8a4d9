export default {
  files: ['test/**/*.test.ts'],
  typescript: { rewritePaths: { 'test/': 'build/test/' }, compile: false },
  timeout: '5m',
  // Test files run in worker threads: each loads the addon again, which is itself a proof that it is safe there.
  workerThreads: true,
  concurrency: 2,
};

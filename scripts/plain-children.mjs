import processOnSpawn from 'process-on-spawn';

// Processes that tests start run as they are: the hooks by which tap follows them serve coverage, which is off,
// and cost each start more than the start itself. Behind the imports of tap, which put them in.
setImmediate(() => {
  processOnSpawn.removeAllListeners();
  delete process.env.NODE_OPTIONS;
});

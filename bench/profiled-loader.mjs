// A loader that is looked at: profiles from one SIGUSR2 to the next, then writes what it saw. SLICEFEED_BENCH_OUT: the folder;
// SLICEFEED_BENCH_LOOK: cpu or heap.
import '../dist/src/loader/main.js';
import { Look } from './look.mjs';

const look = new Look('loader', process.env.SLICEFEED_BENCH_OUT, process.env.SLICEFEED_BENCH_LOOK);
process.on('SIGUSR2', () => look.toggle());

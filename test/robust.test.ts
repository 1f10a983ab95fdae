import { runTogether } from './together.js';

await runTogether('robust');

import { runTogether } from './together.js';

await runTogether('loader', 'engine');

import { runTogether } from './together.js';

await runTogether('codecs', 'demo');

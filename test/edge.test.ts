import { runTogether } from './together.js';

await runTogether('routes', 'wire', 'hostile');

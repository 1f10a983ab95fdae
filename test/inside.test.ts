import { runTogether } from './together.js';

await runTogether('catalog', 'sessions', 'sources', 'plugins', 'pictures');

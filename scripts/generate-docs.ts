import { writeFileSync } from 'node:fs';
import { renderErrors, renderLimits } from './render-docs.ts';

const docs = new URL('../docs/', import.meta.url);
writeFileSync(new URL('errors.md', docs), renderErrors());
writeFileSync(new URL('limits.md', docs), renderLimits());

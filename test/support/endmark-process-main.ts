/** The process of endmark-process.ts: Endmark with one database open. */
import { type OpenOptions, open } from '../../src/index.js'
import { serve } from './remote-database.js'

const [path = '', options = '{}'] = process.argv.slice(2)
serve(await open(path, JSON.parse(options) as OpenOptions))

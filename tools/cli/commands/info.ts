/** `endmark info FILE`: the stores of a database and where its log stands, without changing the database. */
import { parseArgs } from 'node:util'
import { open, type StoreInfo } from '../../../src/index.js'
import { requireFile } from '../usage.js'

const OPTIONS = { 'allow-fuse': { type: 'boolean', default: false } } as const

export async function info(args: readonly string[]): Promise<void> {
  const { values, positionals } = parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true })
  const allowFuse = values['allow-fuse']
  const db = await open(requireFile(positionals), { create: false, readOnly: true, allowFuse })
  try {
    const { pageSize, pageCount, logFrames, backfilled, readMarks } = db.stats()
    const marks = readMarks.map((mark) => mark ?? '-').join(' ')
    const lines = [
      `${db.path}: ${pageCount} pages of ${pageSize} bytes`,
      `log: ${logFrames} frames, ${backfilled} of them in the main file; read marks ${marks}`,
      ...db.stores().map(describe),
    ]
    process.stdout.write(`${lines.join('\n')}\n`)
  } finally {
    await db.close()
  }
}

function describe({ name, kind, columns, primaryKey, writable }: StoreInfo): string {
  const fields = columns.map((column) => [column.name, column.declaredType].filter(Boolean).join(' '))
  const note = writable === true ? '' : `; not writable: ${writable}`
  return `${kind} ${name} (${fields.join(', ')}), key ${primaryKey.join(', ') || 'rowid'}${note}`
}

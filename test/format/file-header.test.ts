/** The 100-byte file header: what is written for a new database, and what is made of every byte of one. */
import { join } from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import { EndmarkError } from '../../src/errors.js'
import {
  countChange,
  decodeFileHeader,
  encodeNewDatabase,
  FILE_HEADER_OFFSETS,
  getPageCount,
  getSchemaCookie,
  isPageCountValid,
  lockBytePage,
  PENDING_BYTE,
  setPageCount,
  setSchemaCookie,
} from '../../src/format/index.js'
import { sqliteNow } from '../support/sqlite-now.js'
import { temporaryFolder } from '../support/temporary-folder.js'

test('fields stand where the published table has them', (t) => {
  t.deepEqual(FILE_HEADER_OFFSETS, {
    pageSize: 16,
    writeVersion: 18,
    readVersion: 19,
    reservedBytes: 20,
    maxFraction: 21,
    minFraction: 22,
    leafFraction: 23,
    changeCounter: 24,
    pageCount: 28,
    freelistTrunk: 32,
    freelistCount: 36,
    schemaCookie: 40,
    schemaFormat: 44,
    defaultCacheSize: 48,
    largestRoot: 52,
    textEncoding: 56,
    userVersion: 60,
    incrementalVacuum: 64,
    applicationId: 68,
    versionValidFor: 92,
    sqliteVersion: 96,
  })
})

test('a new database of every page size reads back as what it is', (t) => {
  for (let pageSize = 512; pageSize <= 65536; pageSize *= 2) {
    const page = encodeNewDatabase(pageSize)
    t.is(page.length, pageSize)
    t.deepEqual(decodeFileHeader(page, 'x'), { pageSize, usableSize: pageSize, isWal: true, readOnlyReason: null })
    t.is(getPageCount(page), 1)
    t.true(isPageCountValid(page))
  }
})

test('counters count, and wrap where their four bytes end', (t) => {
  const page = Buffer.from(encodeNewDatabase(512))
  page.writeUInt32BE(0xffffffff, FILE_HEADER_OFFSETS.changeCounter)
  t.false(isPageCountValid(page))
  countChange(page)
  t.is(page.readUInt32BE(FILE_HEADER_OFFSETS.changeCounter), 0)
  t.true(isPageCountValid(page))
  setPageCount(page, 0xfffffffe)
  t.is(getPageCount(page), 0xfffffffe)
  setSchemaCookie(page, 0xffffffff)
  t.is(getSchemaCookie(page), 0xffffffff)
})

test('any header gives an answer or a typed error', (t) => {
  const template = encodeNewDatabase(512).subarray(0, 100)
  const codes = new Set<string>()
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.integer({ min: 16, max: 99 }), fc.nat(255)), { maxLength: 4 }), (changes) => {
      const bytes = template.slice()
      for (const [offset, value] of changes) bytes[offset] = value
      try {
        const { pageSize, usableSize } = decodeFileHeader(bytes, 'x')
        t.true(pageSize >= 512 && pageSize <= 65536 && usableSize >= 480 && usableSize <= pageSize)
        codes.add('ok')
      } catch (error) {
        if (!(error instanceof EndmarkError)) throw error
        codes.add(error.code)
      }
    }),
    { numRuns: 1500 },
  )
  t.deepEqual([...codes].sort(), ['ENDMARK_CORRUPT', 'ENDMARK_UNSUPPORTED', 'ok'])
})

test('the headers that SQLite writes are understood as SQLite means them', (t) => {
  const folder = temporaryFolder(t)
  const headers = sqliteNow(
    join(folder, 'x.db'),
    (db, root) => {
      const Sqlite = db.constructor as unknown as new (path: string) => typeof db
      const make = (name: string, ...statements: string[]) => {
        const made = new Sqlite(`${root}/${name}`)
        for (const sql of [...statements, 'CREATE TABLE t(x)']) made.exec(sql)
        made.close()
        return [...process.getBuiltinModule('node:fs').readFileSync(`${root}/${name}`).subarray(0, 100)]
      }
      return {
        plain: make('plain'),
        wal: make('wal', 'PRAGMA journal_mode = wal'),
        large: make('large', 'PRAGMA page_size = 65536'),
        vacuum: make('vacuum', 'PRAGMA auto_vacuum = 1'),
        incremental: make('incremental', 'PRAGMA auto_vacuum = 2'),
        utf16: make('utf16', "PRAGMA encoding = 'UTF-16le'"),
      }
    },
    folder,
  )
  const decode = (bytes: number[]) => decodeFileHeader(Uint8Array.from(bytes), 'x')
  t.deepEqual(decode(headers.plain), { pageSize: 4096, usableSize: 4096, isWal: false, readOnlyReason: null })
  t.like(decode(headers.wal), { isWal: true, readOnlyReason: null })
  t.like(decode(headers.large), { pageSize: 65536 })
  t.like(decode(headers.vacuum), { readOnlyReason: 'auto-vacuum' })
  t.like(decode(headers.incremental), { readOnlyReason: 'auto-vacuum' })
  t.throws(() => decode(headers.utf16), { code: 'ENDMARK_UNSUPPORTED', message: /UTF-16/ })
})

test('the lock-byte page holds the pending byte', (t) => {
  for (let pageSize = 512; pageSize <= 65536; pageSize *= 2) {
    const page = lockBytePage(pageSize)
    t.true((page - 1) * pageSize <= PENDING_BYTE && PENDING_BYTE < page * pageSize)
  }
})

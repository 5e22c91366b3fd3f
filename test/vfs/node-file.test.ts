import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { AssertionError } from '../../src/assert.js'
import { EndmarkError, type ErrorCode } from '../../src/errors.js'
import { nodeVfs } from '../../src/vfs/index.js'
import { RemoteNode } from '../support/remote-node.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const vfs = nodeVfs()
const VFS_URL = new URL('../../src/vfs/index.js', import.meta.url).href

function bytesOf(...values: number[]): Uint8Array {
  return Uint8Array.from(values)
}

function throwsCode(t: ExecutionContext, call: () => unknown, code: ErrorCode, causeCode?: string): EndmarkError {
  const error = t.throws(call, { instanceOf: EndmarkError, code })
  if (causeCode !== undefined) t.is((error.cause as NodeJS.ErrnoException).code, causeCode)
  return error
}

test('a read fills the target or stops at the end of the file', (t) => {
  const path = join(temporaryFolder(t), 'a')
  const file = vfs.open(path, { create: true })
  t.teardown(() => file.close())
  file.write([bytesOf(1, 2, 3, 4, 5)], 0)
  const target = new Uint8Array(4)
  t.is(file.read(target, 1), 4)
  t.deepEqual(target, bytesOf(2, 3, 4, 5))
  t.is(file.read(target, 3), 2)
  t.is(file.read(target, 5), 0)
  t.is(file.read(target, 5000), 0)
  t.is(file.read(new Uint8Array(0), 0), 0)
})

test('a write beyond the end leaves a hole of zeros', (t) => {
  const path = join(temporaryFolder(t), 'a')
  const file = vfs.open(path, { create: true })
  t.teardown(() => file.close())
  file.write([bytesOf(7)], 3)
  t.deepEqual(new Uint8Array(readFileSync(path)), bytesOf(0, 0, 0, 7))
})

test('a gathered write takes more pieces than the kernel does at once, empty ones among them', (t) => {
  const path = join(temporaryFolder(t), 'a')
  const file = vfs.open(path, { create: true })
  t.teardown(() => file.close())
  const pieces = Array.from({ length: 2500 }, (_, index) => new Uint8Array(index % 4).fill(index % 251))
  file.write(pieces, 10)
  t.deepEqual(readFileSync(path).subarray(10), Buffer.concat(pieces))
  file.write([], 10)
  file.write([new Uint8Array(0), new Uint8Array(0)], 10)
  t.is(file.size(), 10 + pieces.reduce((sum, piece) => sum + piece.length, 0))
})

for (const pieces of ['1 piece', '3 pieces']) {
  test(`a write that the system cuts short in the middle fails and does not report success (${pieces})`, (t) => {
    const path = join(temporaryFolder(t), 'a')
    const script = `
      const { nodeVfs } = await import(${JSON.stringify(VFS_URL)})
      const file = nodeVfs().open(${JSON.stringify(path)}, { create: true })
      const pieces = ${pieces === '1 piece' ? '[new Uint8Array(60000)]' : 'Array(3).fill(new Uint8Array(20000))'}
      try { file.write(pieces, 0) } catch (error) { console.log(error.code, error.cause.code) }`
    // A limit of a few dozen blocks of 512 or 1024 bytes, as the shell has it, in the middle of the write.
    const limited = `trap '' XFSZ; ulimit -f 40; exec "$0" --input-type=module -e "$1"`
    const output = execFileSync('sh', ['-c', limited, process.execPath, script], { encoding: 'utf8' })
    t.is(output.trim(), 'ENDMARK_IO EFBIG')
    t.true(statSync(path).size >= 40 * 512 && statSync(path).size < 60000)
  })
}

test('truncate cuts off and extends with zeros', (t) => {
  const file = vfs.open(join(temporaryFolder(t), 'a'), { create: true })
  t.teardown(() => file.close())
  file.write([bytesOf(1, 2, 3)], 0)
  file.truncate(2)
  t.is(file.size(), 2)
  file.truncate(4)
  const target = new Uint8Array(4)
  t.is(file.read(target, 0), 4)
  t.deepEqual(target, bytesOf(1, 2, 0, 0))
})

test('offsets past 4 GiB are read and written', (t) => {
  const file = vfs.open(join(temporaryFolder(t), 'a'), { create: true })
  t.teardown(() => file.close())
  const offset = 5 * 2 ** 30 + 3
  file.write([bytesOf(1), bytesOf(2)], offset)
  const target = new Uint8Array(4)
  t.is(file.read(target, offset - 1), 3)
  t.deepEqual(target, bytesOf(0, 1, 2, 0))
})

test('both forms of datasync succeed on a written file', async (t) => {
  const file = vfs.open(join(temporaryFolder(t), 'a'), { create: true })
  t.teardown(() => file.close())
  file.write([bytesOf(1)], 0)
  file.datasyncSync()
  await t.notThrowsAsync(file.datasync())
})

test('a file closed during a datasync stays open until that ends, and refuses any other use', async (t) => {
  const path = join(temporaryFolder(t), 'a')
  const file = vfs.open(path, { create: true })
  const other = vfs.open(path, {})
  t.teardown(() => other.close())
  t.true(file.tryLock(0, 1, 'exclusive'))
  const synced = file.datasync()
  file.close()
  t.false(other.tryLock(0, 1, 'exclusive'))
  t.throws(() => file.size(), { instanceOf: AssertionError })
  await t.notThrowsAsync(synced)
  t.true(other.tryLock(0, 1, 'exclusive'))
})

test('a closed file refuses any use and may be closed again', (t) => {
  const file = vfs.open(join(temporaryFolder(t), 'a'), { create: true })
  file.close()
  file.close()
  t.throws(() => file.read(new Uint8Array(1), 0), { instanceOf: AssertionError })
  t.throws(() => file.datasync(), { instanceOf: AssertionError })
  t.throws(() => file.tryLock(0, 1, 'shared'), { instanceOf: AssertionError })
})

test('opening a missing file names its path, and creating one in a missing folder names the folder', (t) => {
  const folder = temporaryFolder(t)
  const missing = join(folder, 'missing')
  t.is(throwsCode(t, () => vfs.open(missing, {}), 'ENDMARK_NOT_FOUND', 'ENOENT').file, missing)
  const inMissing = join(missing, 'a')
  t.is(throwsCode(t, () => vfs.open(inMissing, { create: true }), 'ENDMARK_NOT_FOUND', 'ENOENT').file, missing)
})

test('exclusive creation fails with EEXIST when the file is there', (t) => {
  const path = join(temporaryFolder(t), 'a')
  vfs.open(path, { create: true, exclusive: true }).close()
  throwsCode(t, () => vfs.open(path, { create: true, exclusive: true }), 'ENDMARK_IO', 'EEXIST')
})

test('what is not a regular file is refused, and a pipe does not make the caller wait', (t) => {
  const folder = temporaryFolder(t)
  throwsCode(t, () => vfs.open(folder, {}), 'ENDMARK_IO', 'EISDIR')
  t.regex(throwsCode(t, () => vfs.open(folder, { readOnly: true }), 'ENDMARK_IO').message, /folder/)
  const pipe = join(folder, 'pipe')
  execFileSync('mkfifo', [pipe])
  t.regex(throwsCode(t, () => vfs.open(pipe, { readOnly: true }), 'ENDMARK_IO').message, /not a regular file/)
})

test('opening for writing without the permission is ENDMARK_READONLY, and for reading works', async (t) => {
  const folder = temporaryFolder(t)
  const path = join(folder, 'a')
  writeFileSync(path, 'x')
  chmodSync(path, 0o444)
  chmodSync(folder, 0o755)
  const node = new RemoteNode(t)
  await node.run(`importFrom(${JSON.stringify(VFS_URL)}).then(module => { globalThis.vfs = module.nodeVfs() })`)
  // The superuser may write anywhere.
  await node.run('process.getuid() === 0 && process.setuid(65534)')
  const attempt = `try { vfs.open(path, {}) } catch (error) { [error.code, error.file, error.cause.code] }`
  t.deepEqual(await node.run(`var path = ${JSON.stringify(path)}; ${attempt}`), ['ENDMARK_READONLY', path, 'EACCES'])
  t.is(await node.run('vfs.open(path, { readOnly: true }).size()'), 1)
})

test('writing, locking exclusively or mapping writable through a read-only file is ENDMARK_IO', (t) => {
  const path = join(temporaryFolder(t), 'a')
  writeFileSync(path, 'x')
  const file = vfs.open(path, { readOnly: true })
  t.teardown(() => file.close())
  throwsCode(t, () => file.write([bytesOf(1)], 0), 'ENDMARK_IO', 'EBADF')
  throwsCode(t, () => file.tryLock(0, 1, 'exclusive'), 'ENDMARK_IO', 'EBADF')
  throwsCode(t, () => file.map(0, 4096, { writable: true }), 'ENDMARK_IO', 'EACCES')
  t.true(file.tryLock(0, 1, 'shared'))
})

test('a created file has exactly the permissions asked for, whatever the umask', (t) => {
  const folder = temporaryFolder(t)
  const previous = process.umask(0o077)
  const file = vfs.open(join(folder, 'a'), { create: true, mode: 0o664 })
  process.umask(previous)
  t.teardown(() => file.close())
  t.is(file.mode(), 0o664)
  file.write([bytesOf(1)], 0)
  vfs.open(join(folder, 'a'), { create: true, mode: 0o600 }).close()
  t.is(file.mode(), 0o664)
})

test('exists, remove and link report what is there', (t) => {
  const folder = temporaryFolder(t)
  const [a, b] = [join(folder, 'a'), join(folder, 'b')]
  writeFileSync(a, 'content')
  t.true(vfs.link(a, b))
  t.false(vfs.link(a, b))
  t.is(readFileSync(b, 'utf8'), 'content')
  vfs.remove(a)
  vfs.remove(a)
  t.false(vfs.exists(a))
  t.true(vfs.exists(b))
  throwsCode(t, () => vfs.link(a, join(folder, 'c')), 'ENDMARK_IO', 'ENOENT')
  throwsCode(t, () => vfs.remove(folder), 'ENDMARK_IO')
  t.notThrows(() => vfs.syncDirectory(folder))
  throwsCode(t, () => vfs.syncDirectory(join(folder, 'missing')), 'ENDMARK_IO', 'ENOENT')
})

test('a link to a file that does not exist yet resolves to that file, as it does once it exists', (t) => {
  const folder = vfs.resolve(temporaryFolder(t))
  mkdirSync(join(folder, 'data'))
  symlinkSync('data', join(folder, 'current'))
  symlinkSync('current/app.db', join(folder, 'app.db'))
  const target = join(folder, 'data', 'app.db')
  t.is(vfs.resolve(join(folder, 'app.db')), target)
  vfs.open(join(folder, 'app.db'), { create: true }).close()
  t.is(vfs.resolve(join(folder, 'app.db')), target)
  t.is(vfs.resolve(join(folder, 'current', 'other.db')), join(folder, 'data', 'other.db'))
})

test('a circle of links and a missing folder are typed errors', (t) => {
  const folder = temporaryFolder(t)
  symlinkSync('b', join(folder, 'a'))
  symlinkSync('a', join(folder, 'b'))
  throwsCode(t, () => vfs.resolve(join(folder, 'a')), 'ENDMARK_IO', 'ELOOP')
  throwsCode(t, () => vfs.resolve(join(folder, 'missing', 'app.db')), 'ENDMARK_NOT_FOUND', 'ENOENT')
  throwsCode(t, () => vfs.checkFileSystem(join(folder, 'missing')), 'ENDMARK_NOT_FOUND', 'ENOENT')
})

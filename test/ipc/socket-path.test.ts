import { chmodSync, mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import test from 'ava'
import { checkPrivateFolder, preparePrivateFolder, socketIsThere, socketPathOf } from '../../ipc/socket-path.js'
import { temporaryFolder } from '../support/temporary-folder.js'

test('the socket stands beside the database', (t) => {
  t.deepEqual(socketPathOf('/data/app.db'), { path: '/data/app.db-sock', privateFolder: null })
})

test.serial(
  'a path too long for a socket goes to the private folder in the runtime folder, under a name of its own',
  (t) => {
    const runtime = temporaryFolder(t)
    const before = process.env.XDG_RUNTIME_DIR
    process.env.XDG_RUNTIME_DIR = runtime
    t.teardown(() => {
      if (before === undefined) delete process.env.XDG_RUNTIME_DIR
      else process.env.XDG_RUNTIME_DIR = before
    })
    const one = socketPathOf(`/data/${'a'.repeat(100)}/app.db`)
    const other = socketPathOf(`/data/${'b'.repeat(100)}/app.db`)
    t.is(one.privateFolder, join(runtime, 'endmark'))
    t.true(one.path.startsWith(`${one.privateFolder}/`))
    t.true(Buffer.byteLength(one.path) <= 103)
    t.not(one.path, other.path)
  },
)

test('the longest path that fits is used, by bytes and not by characters', (t) => {
  const fitting = `/${'x'.repeat(103 - '/-sock.new'.length)}`
  t.is(socketPathOf(fitting).privateFolder, null)
  t.not(socketPathOf(`${fitting}x`).privateFolder, null)
  t.not(socketPathOf(`${fitting.slice(0, -1)}ü`).privateFolder, null)
})

test('the private folder is made for this user alone, whatever the umask', (t) => {
  const folder = join(temporaryFolder(t), 'endmark')
  preparePrivateFolder(folder)
  t.is(statSync(folder).mode & 0o777, 0o700)
  t.notThrows(() => preparePrivateFolder(folder))
})

test('a private folder that is open to others, not a folder, a link or missing is refused, and says why', (t) => {
  const parent = temporaryFolder(t)
  const open = join(parent, 'open')
  mkdirSync(open)
  chmodSync(open, 0o750)
  const file = join(parent, 'file')
  writeFileSync(file, '')
  const link = join(parent, 'link')
  const good = join(parent, 'good')
  mkdirSync(good, { mode: 0o700 })
  symlinkSync(good, link)
  t.throws(() => preparePrivateFolder(open), { code: 'ENDMARK_IO', message: /open to other users \(mode 750/ })
  t.throws(() => preparePrivateFolder(file), { code: 'ENDMARK_IO', message: /not a folder/ })
  t.throws(() => preparePrivateFolder(link), { code: 'ENDMARK_IO', message: /not a folder/ })
  t.throws(() => checkPrivateFolder(join(parent, 'missing')), { code: 'ENDMARK_IO', message: /does not exist/ })
  t.throws(() => preparePrivateFolder(join(parent, 'a/b')), { code: 'ENDMARK_IO', message: /mkdir/ })
})

test.serial('a folder and a socket of another user are refused', async (t) => {
  const parent = temporaryFolder(t)
  const folder = join(parent, 'endmark')
  preparePrivateFolder(folder)
  const path = join(parent, 'app.db-sock')
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(path, resolve))
  t.teardown(() => server.close())
  t.true(socketIsThere({ path, privateFolder: null }))
  const original = process.geteuid!
  const owner = original()
  process.geteuid = () => owner + 1
  t.teardown(() => {
    process.geteuid = original
  })
  t.throws(() => checkPrivateFolder(folder), { code: 'ENDMARK_IO', message: /belongs to user/ })
  t.throws(() => socketIsThere({ path, privateFolder: null }), { code: 'ENDMARK_IO', message: /belongs to user/ })
})

test('what is not a socket is not taken for one', (t) => {
  const path = join(temporaryFolder(t), 'app.db-sock')
  t.false(socketIsThere({ path, privateFolder: null }))
  writeFileSync(path, '')
  t.false(socketIsThere({ path, privateFolder: null }))
})

import test from 'ava'
import { nodeVfs, refuseFileSystem, refusePlatform } from '../../src/vfs/index.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const REFUSED = {
  NFS: [0x6969],
  SMB: [0x517b],
  SMB2: [0xfe534d42],
  CIFS: [0xff534d42],
  '9P': [0x01021997],
  FUSE: [0x65735546],
  Ceph: [0x00c36400],
  GFS2: [0x01161970],
  Lustre: [0x0bd00bd0],
  OCFS2: [0x7461636f],
  AFS: [0x5346414f, 0x6b414653],
}

const ACCEPTED = {
  ext4: 0xef53,
  xfs: 0x58465342,
  btrfs: 0x9123683e,
  tmpfs: 0x01021994,
  overlay: 0x794c7630,
  zfs: 0x2fc12fc1,
}

for (const [name, types] of Object.entries(REFUSED)) {
  test(`a folder on ${name} is refused by name`, (t) => {
    for (const type of types) {
      const error = t.throws(() => refuseFileSystem(type, '/mnt/shared'), { code: 'ENDMARK_UNSUPPORTED' })
      t.true(error.message.includes(name))
      t.true(error.message.includes('/mnt/shared'))
    }
  })
}

for (const [name, type] of Object.entries(ACCEPTED)) {
  test(`a folder on ${name} is accepted`, (t) => {
    t.notThrows(() => refuseFileSystem(type, '/data'))
  })
}

test('a type number that the platform reports as negative is recognised', (t) => {
  t.throws(() => refuseFileSystem(0xff534d42 | 0, '/mnt'), { code: 'ENDMARK_UNSUPPORTED', message: /CIFS/ })
})

test('FUSE and virtiofs are accepted on request, and nothing else is', (t) => {
  t.notThrows(() => refuseFileSystem(0x65735546, '/mnt', { allowFuse: true }))
  t.throws(() => refuseFileSystem(0x6969, '/mnt', { allowFuse: true }), { code: 'ENDMARK_UNSUPPORTED' })
})

test('platforms without byte-range locks of open files are refused by name', (t) => {
  for (const platform of ['darwin', 'win32', 'freebsd']) {
    t.throws(() => refusePlatform(platform), { code: 'ENDMARK_UNSUPPORTED', message: new RegExp(platform) })
  }
  t.notThrows(() => refusePlatform('linux'))
})

test('the folder of these tests is accepted', (t) => {
  t.notThrows(() => nodeVfs().checkFileSystem(temporaryFolder(t)))
})

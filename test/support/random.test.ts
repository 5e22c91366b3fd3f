import test from 'ava'
import { Random } from './random.js'

test('the same seed draws the same numbers, another seed others', (t) => {
  const draw = (seed: number) => {
    const random = new Random(seed)
    return Array.from({ length: 100 }, () => random.below(1000))
  }
  t.deepEqual(draw(7), draw(7))
  t.notDeepEqual(draw(7), draw(8))
})

test('drawn numbers fill their range and stay inside it', (t) => {
  const random = new Random(1)
  const counts = new Array<number>(10).fill(0)
  for (let drawn = 0; drawn < 10_000; drawn++) counts[random.between(0, 9)]!++
  t.true(counts.every((count) => count > 800 && count < 1200))
})

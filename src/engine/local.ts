import { PassingMap } from '../passing-map.js';
import type { BatchOrder, Engine, Loading, Pace, Urgency } from './engine.js';
import { Flight, type FlightOptions } from './flight.js';

/** Loads batches with the loaders of this process. */
export class LocalEngine implements Engine {
  #options: FlightOptions;
  #flights = new PassingMap<string, Flight>();

  constructor(options: FlightOptions) {
    this.#options = options;
  }

  load(order: BatchOrder, urgency: Urgency, pace: Pace = 'brisk'): Loading {
    let flight = this.#flights.get(order.key);
    if (!flight) {
      const started = new Flight(order, urgency, pace, this.#options, () => {
        if (this.#flights.get(order.key) === started) this.#flights.delete(order.key);
      });
      flight = started;
      this.#flights.set(order.key, flight);
    }
    if (urgency === 'asked') flight.raise();
    return flight.join(order.isReserved);
  }

  *sources(): ReturnType<Engine['sources']> {
    for (const { units, finished } of this.#flights.values())
      if (!finished) for (const { source } of units) if (source?.content) yield source.content.source;
  }

  async close(): Promise<void> {
    await Promise.allSettled([...this.#flights.values()].map((flight) => flight.settled));
  }
}

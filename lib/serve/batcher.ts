/**
 * Gathers what arrives while a batch is being computed, and until `windowMs` after the first
 * arrival or the `largest` batch is there, into one call: a policy answers sixteen requests in
 * little more time than one.
 *
 * An item that makes a batch fail must not take the others with it: a failed batch of several is
 * computed again, item by item, and each gets its own result or error.
 */
export class Batcher<In, Out> {
  private readonly waiting: Waiting<In, Out>[] = [];
  private running = false;
  private full = () => {};

  constructor(
    private readonly compute: (items: In[]) => Promise<Out[]>,
    private readonly options: { windowMs: number; largest: number },
  ) {}

  submit(item: In): Promise<Out> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ item, resolve, reject });
      if (this.waiting.length >= this.options.largest) this.full();
      if (!this.running) void this.run();
    });
  }

  private async run(): Promise<void> {
    this.running = true;
    const { windowMs, largest } = this.options;
    while (this.waiting.length > 0) {
      if (windowMs > 0 && this.waiting.length < largest) await this.fillFor(windowMs);
      await this.answer(this.waiting.splice(0, largest));
    }
    this.running = false;
  }

  private fillFor(windowMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, windowMs);
      this.full = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  private async answer(batch: Waiting<In, Out>[]): Promise<void> {
    try {
      const results = await this.compute(batch.map(({ item }) => item));
      batch.forEach(({ resolve }, index) => {
        resolve(results[index] as Out);
      });
    } catch (error) {
      const [only] = batch;
      if (batch.length === 1) only?.reject(error);
      else for (const single of batch) await this.answer([single]);
    }
  }
}

interface Waiting<In, Out> {
  item: In;
  resolve(result: Out): void;
  reject(error: unknown): void;
}

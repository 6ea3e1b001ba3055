/**
 * A terminal small enough to be read: it wraps, scrolls, reflows when it is resized, and knows
 * the few control sequences that the status block may use. Any other one is an error.
 */
export class FakeTerminal {
  readonly isTTY = true;
  readonly writes: string[] = [];
  /** Whether the cursor was visible after every single write. */
  cursorAlwaysRestored = true;
  columns: number;
  rows: number;
  /** Everything since the start, scrolled-off lines too; `wrapped` rows go on in the next one. */
  #screen: { text: string; wrapped: boolean }[] = [{ text: '', wrapped: false }];
  #row = 0;
  #column = 0;
  #cursorVisible = true;

  constructor(columns: number, rows = 24) {
    this.columns = columns;
    this.rows = rows;
  }

  /** The rows with their text, without the empty ones at the end. */
  get lines(): string[] {
    return this.#screen
      .map(({ text }) => text.trimEnd())
      .join('\n')
      .trimEnd()
      .split('\n');
  }

  get cursor(): { row: number; column: number; visible: boolean } {
    return { row: this.#row, column: this.#column, visible: this.#cursorVisible };
  }

  write(text: string): boolean {
    this.writes.push(text);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are the subject
    for (const [token, parameter, final] of text.matchAll(/\x1b\[([?\d;]*)([A-Za-z])|./gsu)) {
      if (final === undefined) this.#character(token);
      else this.#control(parameter ?? '', final);
    }
    if (!this.#cursorVisible) this.cursorAlwaysRestored = false;
    return true;
  }

  /** What most terminals do: long lines wrap anew, the cursor stays in its line. */
  resize(columns: number): void {
    const whole: string[] = [];
    let open = false;
    for (const { text, wrapped } of this.#screen) {
      if (open) whole.push((whole.pop() as string) + text);
      else whole.push(text);
      open = wrapped;
    }
    if (this.#column !== 0) throw new Error('the cursor must stand at the start of a line');
    const below = this.#screen.length - 1 - this.#row;
    this.#screen = whole.flatMap((line) => {
      const pieces = line.trimEnd().match(new RegExp(`.{1,${columns}}`, 'gu')) ?? [''];
      return pieces.map((text, index) => ({ text, wrapped: index < pieces.length - 1 }));
    });
    this.columns = columns;
    this.#row = this.#screen.length - 1 - below;
  }

  #character(character: string): void {
    if (character === '\r') {
      this.#column = 0;
    } else if (character === '\n') {
      this.#line().wrapped = false;
      this.#newLine();
    } else {
      if (character < ' ') throw new Error(`control character ${JSON.stringify(character)}`);
      if (this.#column === this.columns) {
        this.#line().wrapped = true;
        this.#newLine();
      }
      const line = this.#line();
      const padded = line.text.padEnd(this.#column);
      line.text = padded.slice(0, this.#column) + character + padded.slice(this.#column + 1);
      this.#column++;
    }
  }

  #control(parameter: string, final: string): void {
    if (final === 'A') {
      const top = Math.max(0, this.#screen.length - this.rows); // above it nothing is in reach
      this.#row = Math.max(top, this.#row - Number(parameter || 1));
    } else if (final === 'K' && parameter === '') {
      const line = this.#line();
      line.text = line.text.slice(0, this.#column);
    } else if (final === 'J' && parameter === '') {
      this.#line().text = this.#line().text.slice(0, this.#column);
      this.#screen.length = this.#row + 1;
    } else if (parameter === '?25' && (final === 'l' || final === 'h')) {
      this.#cursorVisible = final === 'h';
    } else if (final !== 'm') {
      throw new Error(`unknown control sequence ESC[${parameter}${final}`);
    }
  }

  #newLine(): void {
    this.#row++;
    this.#column = 0;
    if (this.#row === this.#screen.length) this.#screen.push({ text: '', wrapped: false });
  }

  #line(): { text: string; wrapped: boolean } {
    return this.#screen[this.#row] as { text: string; wrapped: boolean };
  }
}

import assert from 'node:assert/strict';

/** Checks that run one after the other; one that fails does not stop the next. */
export class Checks {
  #passed = 0;
  #failed = 0;

  async run(name, body) {
    try {
      await body();
      this.#passed += 1;
      console.log(`ok      ${name}`);
    } catch (error) {
      this.#failed += 1;
      console.log(`FAILED  ${name}\n        ${String(error.message ?? error).replaceAll('\n', '\n        ')}`);
    }
  }

  ok(value, message) {
    assert.ok(value, message);
  }

  equal(actual, expected) {
    assert.equal(actual, expected);
  }

  match(actual, expected) {
    assert.match(actual ?? '', expected);
  }

  /** Prints the sum and gives the exit code. */
  report() {
    console.log(`${this.#passed} passed, ${this.#failed} failed`);
    return this.#failed === 0 && this.#passed > 0 ? 0 : 1;
  }
}

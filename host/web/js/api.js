// Talking to ghostd: questions, orders, and the stream of what becomes durable.

/** What the server refused, in its own words. */
export class Problem extends Error {
  constructor(status, problem) {
    super(problem?.detail ?? problem?.title ?? `the server answered ${status}`);
    this.status = status;
    this.code = problem?.code;
  }
}

/** The server was not reached. */
export class Unreachable extends Error {
  constructor() {
    super("ghostd does not answer");
  }
}

let onLoggedOut = () => {};
/** What to do when the session is over. */
export const whenLoggedOut = (what) => (onLoggedOut = what);

async function ask(method, path, { body, signal, quiet } = {}) {
  const headers = { accept: "application/json" };
  if (body !== undefined) headers["content-type"] = "application/json";
  let answer;
  try {
    answer = await fetch(`/api/v1${path}`, {
      method, headers, signal, credentials: "same-origin", cache: "no-cache",
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Unreachable();
  }
  if (answer.status === 204) return undefined;
  const type = answer.headers.get("content-type") ?? "";
  const document = type.includes("json") ? await answer.json().catch(() => undefined) : undefined;
  if (!answer.ok) {
    if (answer.status === 401 && !quiet) onLoggedOut();
    throw new Problem(answer.status, document);
  }
  return document;
}

const query = (given) => {
  const parts = Object.entries(given ?? {}).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const text = new URLSearchParams(parts.map(([name, value]) => [name, time(value)])).toString();
  return text ? `?${text}` : "";
};

const time = (value) => (value instanceof Date ? value.toISOString() : String(value));

export const get = (path, given, options) => ask("GET", path + query(given), options);
export const post = (path, body, options) => ask("POST", path, { body, ...options });
export const remove = (path, options) => ask("DELETE", path, options);
export const part = encodeURIComponent;

/** What is not there in this ghostd is answered with `otherwise`. */
export async function ifThere(asked, otherwise) {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof Problem && (error.status === 404 || error.status === 405)) return otherwise;
    throw error;
  }
}

let document;

/** Whether this ghostd can be asked that: what it cannot do is not offered. */
export async function offers(method, path) {
  document ??= get("/openapi.json");
  try {
    return (await document).paths?.[`/api/v1${path}`]?.[method.toLowerCase()] !== undefined;
  } catch {
    document = undefined;
    return false;
  }
}

/** All pages of a list, up to so many. */
export async function all(path, given, most = 2000) {
  const items = [];
  let cursor;
  do {
    const page = await get(path, { limit: Math.min(1000, most), ...given, cursor });
    items.push(...page.items);
    cursor = page.next;
  } while (cursor && items.length < most);
  return items;
}

const series = { at: 0, items: undefined };

/** Everything that is measured; asked for at most once a minute. */
export async function allSeries() {
  if (!series.items || Date.now() - series.at > 60_000) {
    series.items = (await get("/metrics")).items;
    series.at = Date.now();
  }
  return series.items;
}

const labelled = (series, labels) => Object.entries(labels ?? {}).every(([key, value]) => series.labels[key] === value);

/** Series of this name whose labels include these. */
export async function findSeries(name, labels) {
  return (await allSeries()).filter((series) => series.name === name && labelled(series, labels));
}

/** A series over a while, as points of a chart. */
export async function points(id, since, until, count = 400, signal) {
  const { items } = await get(`/metrics/${id}`, { since: new Date(since), until: new Date(until), points: count }, { signal });
  return items.map((point) => ({
    t: Date.parse(point.at) + point.width_seconds * 500, v: point.mean, min: point.min, max: point.max, width: point.width_seconds * 1000,
  }));
}

const FIRST_WAIT = 500;
const LONGEST_WAIT = 8_000;
/** ghostd sends something at least every 15 seconds, if only a comment, which is not seen here; a beat comes anyhow. */
const SILENCE = 40_000;

/**
 * Follows what becomes durable. Reconnects by itself; tells `state` of `live`, `lost` and `caught up`, after which
 * whatever is shown has to be asked for anew: something may have been missed.
 */
export class Stream {
  #source;
  #timer;
  #silence;
  #wait = FIRST_WAIT;
  #wasLost = false;
  #ended = false;

  constructor(kinds, told, state) {
    this.kinds = kinds;
    this.told = told;
    this.state = state;
    this.online = () => this.#wasLost && this.#open();
    addEventListener("online", this.online);
    this.#open();
  }

  #open() {
    if (this.#ended) return;
    this.#close();
    const types = this.kinds.filter((kind) => kind !== "gap").join(",");
    const source = new EventSource(`/api/v1/stream${query({ types })}`);
    this.#source = source;
    source.onopen = () => {
      this.#wait = FIRST_WAIT;
      this.#listen();
      const back = this.#wasLost;
      this.#wasLost = false;
      this.state(back ? "caught up" : "live");
    };
    source.onerror = () => {
      this.#lost();
      // Whether it is the connection or the session that is gone, a question tells; the latter ends all of this.
      get("/session").catch(() => {});
      this.#close();
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#open(), this.#wait);
      this.#wait = Math.min(this.#wait * 2, LONGEST_WAIT);
    };
    for (const kind of this.kinds) {
      source.addEventListener(kind, (event) => {
        this.#listen();
        let data;
        try {
          data = JSON.parse(event.data);
        } catch {
          return;
        }
        this.told(kind, data);
      });
    }
  }

  #listen() {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => {
      this.#lost();
      this.#open();
    }, SILENCE);
  }

  #lost() {
    if (!this.#wasLost) this.state("lost");
    this.#wasLost = true;
  }

  #close() {
    clearTimeout(this.#silence);
    this.#source?.close();
    this.#source = undefined;
  }

  end() {
    this.#ended = true;
    clearTimeout(this.#timer);
    removeEventListener("online", this.online);
    this.#close();
  }
}

// What the drivers of npm's peers share. The benchmark talks to them in lines:
// it writes "go" or "stop" to their input; they write "ready", "done COUNT
// MICROSECONDS" as they get on, "started N MICROSECONDS", "time SECONDS".
import { createInterface } from "node:readline";
import pg from "pg";

export const microseconds = () => Math.round((performance.timeOrigin + performance.now()) * 1000);

export const say = (...words) => process.stdout.write(words.join(" ") + "\n");

export const env = (name, otherwise) => process.env[name] ?? otherwise;

// The server's socket is in PGHOST, as for any client.
export const connection = {
	host: process.env.PGHOST,
	database: process.env.PGDATABASE,
	user: process.env.PGUSER,
};

export const makePool = (max, name) => {
	const pool = new pg.Pool({ ...connection, max, application_name: name });
	pool.on("error", () => {});
	pool.on("connect", (client) => client.on("error", () => {}));
	return pool;
};

// The work of a task: one row, by a statement that stays prepared.
export const insert = (client, n) =>
	client.query({ name: "effect", text: "INSERT INTO effect VALUES ($1)", values: [n] });

// Counts what is done, and says so now and then.
export class Progress {
	#every;
	#count = 0;

	constructor(every = 200) {
		this.#every = every;
	}

	add() {
		if (++this.#count % this.#every === 0) say("done", this.#every, microseconds());
	}

	// What is left over when the benchmark asks for it.
	flush() {
		if (this.#count % this.#every > 0) say("done", this.#count % this.#every, microseconds());
		this.#count = 0;
	}
}

// Until the benchmark writes that word, or goes.
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
export const hear = async (word) => {
	for (;;) {
		const { value, done } = await lines.next();
		if (done || value === word) return !done;
	}
};

export const main = async (verbs) => {
	try {
		await verbs[process.argv[2]]();
		process.exit(0);
	} catch (error) {
		console.error(error);
		process.exit(1);
	}
};

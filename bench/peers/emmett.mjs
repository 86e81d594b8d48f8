// emmett's event store in PostgreSQL: each event is appended by a transaction of its
// own. Each client appends to its own stream, so that none fails by the version of
// another's.
import { getPostgreSQLEventStore } from "@event-driven-io/emmett-postgresql";
import { publish } from "./broker.mjs";
import { env, main, makePool } from "./peer.mjs";

main({
	async publish() {
		const pool = makePool(Number(env("CLIENTS")), "emmett");
		const store = getPostgreSQLEventStore("postgresql:///", { connectionOptions: { pool }, schema: { autoMigration: "None" } });
		let streams = 0;
		await store.schema.migrate();
		await publish(
			() => `bench-${++streams}`,
			(stream, n) => store.appendToStream(stream, [{ type: "bench", data: { n } }]),
		);
	},
});

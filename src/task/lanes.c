/*-------------------------------------------------------------------------
 *
 * lanes.c
 *	  The lane of a task, see lanes.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"

#include "handler/command.h"
#include "limit/limit.h"
#include "shared/lanekey.h"
#include "task/lanes.h"
#include "tenant/tenant.h"

int32
jdg_lane_of(Oid owner, const char *tenant, int64 command_id,
			const char *concurrency_key, int32 endpoint_id, const char *host)
{
	int32		party = jdg_tenant_lane(tenant);
	const JdgCommand *c;
	JdgLimit	limit;
	uint32		hash = murmurhash32(party);
	bool		own = false;

	if (jdg_limits_exist(JDG_SCOPE_HANDLER) &&
		(c = jdg_command_get(command_id)) != NULL &&
		c->kind == JDG_COMMAND_HANDLER &&
		jdg_limit_get(JDG_SCOPE_HANDLER, InvalidOid, c->text, &limit))
	{
		hash = hash_combine(hash, (uint32) limit.id[0]);
		own = true;
	}
	if (concurrency_key != NULL &&
		jdg_limit_get(JDG_SCOPE_KEY, owner, concurrency_key, &limit))
	{
		hash = hash_combine(hash, (uint32) limit.id[1]);
		own = true;
	}
	if (endpoint_id != 0)
	{
		hash = hash_combine(hash, (uint32) endpoint_id);
		if (host != NULL)
			hash = hash_combine(hash, hash_bytes((const unsigned char *) host,
												 strlen(host)));
		return JDG_LANE_HTTP | (hash & (JDG_LANE_FAILS - 1));
	}
	if (!own)
		return party;
	hash &= JDG_LANE_HTTP - 1;
	return hash == 0 ? 1 : (int32) hash;
}

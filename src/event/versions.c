/*-------------------------------------------------------------------------
 *
 * versions.c
 *	  The argument "versions", see versions.h.
 *
 * Runs in the caller's process; versions are looked up in any process.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

#include "base/errors.h"
#include "base/json.h"
#include "event/versions.h"

/* a whole number from 1 to JDG_EVENT_VERSIONS_MAX, or 0 for any other value */
static int
version_of(const JsonbValue *v)
{
	char	   *text;

	if (v->type != jbvNumeric)
		return 0;
	text = DatumGetCString(DirectFunctionCall1(numeric_out,
											   NumericGetDatum(v->val.numeric)));

	if (strlen(text) > 4 || strspn(text, "0123456789") != strlen(text) ||
		atoi(text) > JDG_EVENT_VERSIONS_MAX)
		return 0;
	return atoi(text);
}

/* Raises an error unless the type has this version. */
static void
check_version(const char *name, const JsonbValue *value)
{
	const JdgEventType *type = jdg_event_type(name);
	int			version = version_of(value);

	if (type == NULL)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_NOT_FOUND),
				 errmsg("event type \"%s\" in argument \"versions\" is not registered",
						jdg_excerpt(name)),
				 errhint("See the view jadugar.event_types.")));
	if (version < 1 || version > type->latest)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("invalid version of event type \"%s\" in argument \"versions\"",
						name),
				 errdetail("Its versions are 1 to %d.", type->latest),
				 errhint("Write, for example, '{\"%s\": 1}'.", name)));
}

void
jdg_event_check_versions(const Jsonb *versions)
{
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	v;
	char	   *name = NULL;

	if (versions == NULL)
		return;
	if (!JB_ROOT_IS_OBJECT(versions))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("versions must be a JSON object"),
				 errhint("Write, for example, '{\"order.created\": 1}'.")));
	it = JsonbIteratorInit(unconstify(JsonbContainer *, &versions->root));
	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			name = pnstrdup(v.val.string.val, v.val.string.len);
		else if (token == WJB_VALUE)
			check_version(name, &v);
	}
}

int
jdg_event_version_wanted(const Jsonb *versions, const JdgEventType *type)
{
	int64		version = versions ?
	jdg_json_get_int64(versions, type->name) : 0;

	/* the type may have been registered anew since */
	return version >= 1 && version <= type->latest ? (int) version :
		type->latest;
}

/*-------------------------------------------------------------------------
 *
 * args.c
 *	  Reading and checking the arguments of SQL functions.
 *
 * Runs in the caller's backend; reads nothing but its arguments and the
 * catalog of roles.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/acl.h"
#include "utils/builtins.h"

#include "base/args.h"
#include "base/errors.h"
#include "handler/command.h"

char *
jdg_arg_text(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(n));
}

Interval *
jdg_arg_interval(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? NULL : PG_GETARG_INTERVAL_P(n);
}

Jsonb *
jdg_arg_jsonb(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? NULL : PG_GETARG_JSONB_P(n);
}

char *
jdg_need_text(FunctionCallInfo fcinfo, int n, const char *function,
			  const char *argument)
{
	if (PG_ARGISNULL(n))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("argument \"%s\" of jadugar.%s() must not be null",
						argument, function)));
	return text_to_cstring(PG_GETARG_TEXT_PP(n));
}

void
jdg_check_name(const char *what, const char *name)
{
	size_t		len = strlen(name);
	const char *wrong = NULL;

	if (len == 0)
		wrong = "It is empty.";
	else if (len > JDG_NAME_MAX)
		wrong = "It is longer than 255 bytes.";
	else if (name[0] == ' ' || name[len - 1] == ' ')
		wrong = "It begins or ends with a space.";
	for (const char *p = name; *p && wrong == NULL; p++)
	{
		if ((unsigned char) *p < ' ' || *p == 0x7f)
			wrong = "It contains a control character.";
	}
	if (wrong)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("name of %s is not acceptable", what),
				 errdetail("%s", wrong),
				 errhint("Use from 1 to 255 bytes on one line.")));
}

Oid
jdg_role_by_name(const char *name)
{
	Oid			role = get_role_oid(name, true);

	if (OidIsValid(role))
		return role;
	if (strcmp(name, "public") == 0 || strcmp(name, "PUBLIC") == 0)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("nothing of jadugar can be granted to PUBLIC"),
				 errhint("Create a role for those who may use it, grant it to that role, and the role to them.")));
	ereport(ERROR,
			(errcode(JDG_ERRCODE_NOT_FOUND),
			 errmsg("role \"%s\" does not exist", jdg_excerpt(name)),
			 errhint("Give the exact name of a role, without quotes around it.")));
	return InvalidOid;			/* keep compiler quiet */
}

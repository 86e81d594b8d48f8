/*-------------------------------------------------------------------------
 *
 * statement.c
 *	  Statements on endpoints, see statement.h.
 *
 * Runs in the backend of the statement.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/defrem.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"

#include "base/errors.h"
#include "endpoint/endpoint.h"
#include "endpoint/secret_file.h"
#include "endpoint/statement.h"

/* The type of a server picks further options; there is one so far. */
static void
check_type(const CreateForeignServerStmt *stmt)
{
	if (strcmp(stmt->fdwname, JDG_WRAPPER) != 0 || stmt->servertype == NULL ||
		strcmp(stmt->servertype, "http") == 0)
		return;
	ereport(ERROR,
			(errcode(JDG_ERRCODE_VALIDATION_ERROR),
			 errmsg("unrecognized type of server \"%s\": \"%s\"",
					stmt->servername, jdg_excerpt(stmt->servertype)),
			 errhint("Available types: http.")));
}

void
jdg_endpoint_before_statement(Node *stmt)
{
	if (IsA(stmt, CreateForeignServerStmt))
		check_type((CreateForeignServerStmt *) stmt);
}

/* Is it a server of our wrapper? */
static bool
is_ours(const char *servername)
{
	ForeignServer *server = GetForeignServerByName(servername, true);

	return server != NULL &&
		server->fdwid == get_foreign_data_wrapper_oid(JDG_WRAPPER, true);
}

/*
 * Warns of files that the statement names.  Only a superuser can have named
 * one, so the warning may say what is wrong with it.
 */
static void
warn_of_files(const char *servername, List *options)
{
	ListCell   *lc;

	if (!superuser() || !is_ours(servername))
		return;
	foreach(lc, options)
	{
		DefElem    *def = lfirst_node(DefElem, lc);
		size_t		len = strlen(def->defname);
		const char *problem;

		if (def->defaction == DEFELEM_DROP || def->arg == NULL || len <= 5 ||
			strcmp(def->defname + len - 5, "_file") != 0)
			continue;
		problem = jdg_secret_file_problem(defGetString(def));
		if (problem)
			ereport(WARNING,
					(errcode(JDG_ERRCODE_VALIDATION_ERROR),
					 errmsg("file of option \"%s\" cannot be used", def->defname),
					 errdetail("%s", problem),
					 errhint("Requests fail until the file belongs to the server's account, with mode 0600.")));
	}
}

void
jdg_endpoint_after_statement(Node *stmt)
{
	if (IsA(stmt, CreateUserMappingStmt))
	{
		CreateUserMappingStmt *s = (CreateUserMappingStmt *) stmt;

		warn_of_files(s->servername, s->options);
	}
	else if (IsA(stmt, AlterUserMappingStmt))
	{
		AlterUserMappingStmt *s = (AlterUserMappingStmt *) stmt;

		warn_of_files(s->servername, s->options);
	}
}

/*-------------------------------------------------------------------------
 *
 * command.h
 *	  Command texts: jadugar_internal.command, and the meaning of a text.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_HANDLER_COMMAND_H
#define JDG_HANDLER_COMMAND_H

/* bytes */
#define JDG_COMMAND_MAX		(1024 * 1024)

/* a longer command is not quoted in an error */
#define JDG_QUOTED_MAX	10000

/* the letters of command.kind */
typedef enum JdgCommandKind
{
	JDG_COMMAND_SQL = 's',
	JDG_COMMAND_HANDLER = 'h',
	JDG_COMMAND_FLOW = 'f',		/* SQL that starts a run: its task ends with
								 * it */
	JDG_COMMAND_EVENT = 'e',	/* SQL that takes an event */
	JDG_COMMAND_EVENTS = 'b',	/* SQL that takes an array of events */
	JDG_COMMAND_HTTP = 'o'		/* "http": sends a request */
} JdgCommandKind;

/* the same for SQL */
#define JDG_SQL_HANDLER "'h'"

typedef struct JdgCommand
{
	int64		command_id;
	JdgCommandKind kind;
	bool		standalone;		/* cannot run inside a transaction */
	char	   *text;
} JdgCommand;

/*
 * The command of a text that this process has met before, or NULL: then the
 * text need not be parsed again.
 */
extern const JdgCommand *jdg_command_known(const char *text, JdgCommandKind kind);

/* its id, inserting it if new */
extern int64 jdg_command_id(const char *text, JdgCommandKind kind, bool standalone);

/*
 * By id; cached for the session.  The result stays valid until the end of the
 * transaction at least.
 */
extern const JdgCommand *jdg_command_get(int64 command_id);

/*
 * A resolver of names that are neither SQL nor handlers: returns the SQL of a
 * command of kind JDG_COMMAND_FLOW, with the payload as $1, or NULL if "owner"
 * has nothing of that name.  Called inside and outside bookkeeping.
 */
typedef char *(*JdgNameResolver) (Oid owner, const char *name);

/* from a module's init */
extern void jdg_command_register_resolver(JdgNameResolver resolver);

/* ask the resolvers in turn; NULL: none knows the name */
extern char *jdg_command_resolve_name(Oid owner, const char *name);

#endif							/* JDG_HANDLER_COMMAND_H */

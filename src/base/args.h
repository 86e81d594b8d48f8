/*-------------------------------------------------------------------------
 *
 * args.h
 *	  Reading and checking the arguments of SQL functions.
 *
 * An SQL function has a struct with a field for each argument and a static
 * table that describes them; jdg_args_read() fills the struct.  The type of
 * a field follows from the type of the argument:
 *
 *	text						char *
 *	text with "words"			int, or an enum in the order of the words
 *	boolean, integer, bigint	bool, int32, int64
 *	double precision			double
 *	timestamptz					TimestampTz
 *	interval, jsonb				Interval *, Jsonb *
 *	an array					ArrayType *
 *	a type of ours (InvalidOid) a pointer to it
 *
 * A field that is no pointer becomes one, NULL for NULL, if the argument is
 * JDG_OPTIONAL or JDG_RESETTABLE.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_BASE_ARGS_H
#define JDG_BASE_ARGS_H

#include "fmgr.h"
#include "utils/array.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "base/compat.h"

/* maximum length of a name of ours, in bytes */
#define JDG_NAME_MAX 255

/* maximum length of a key or a trace, in bytes */
#define JDG_KEY_BYTES_MAX 1024

/* maximum size of metadata and of a description, in bytes */
#define JDG_NOTE_MAX (64 * 1024)

/* the meaning of NULL */
typedef enum JdgArgRule
{
	JDG_OPTIONAL,				/* not given */
	JDG_RESETTABLE,				/* the same; and "reset" may name it */
	JDG_NEEDED,					/* raises VALIDATION_ERROR */
	JDG_DEFAULT					/* the value if_null; not of a pointer */
} JdgArgRule;

/* the description of one argument */
typedef struct JdgArg
{
	const char *name;			/* as in SQL */
	Oid			type;
	size_t		offset;			/* of the field */
	JdgArgRule	rule;
	const char *const *words;	/* the choices, up to a NULL; or NULL */
	int			if_null;
} JdgArg;

/*
 * Reads the arguments of jadugar."function"() into a struct.  Raises
 * VALIDATION_ERROR if a needed one is null, or if a text is none of the words.
 * Values are in the current memory context or in that of the call.
 */
extern void jdg_args_read(FunctionCallInfo fcinfo, const char *function,
						  const JdgArg *args, int nargs, void *fields);

#define JDG_READ_ARGS(function, args, fields) \
	jdg_args_read(fcinfo, function, args, lengthof(args), fields)

/*
 * Reads the argument "reset", the names of arguments whose values return to
 * their defaults.  Sets reset[i] for each.  Raises VALIDATION_ERROR for a name
 * that is not JDG_RESETTABLE, and for an argument that is also given.
 */
extern void jdg_args_reset(FunctionCallInfo fcinfo, const JdgArg *args,
						   int nargs, ArrayType *names, bool *reset);

/* return NULL if the argument is null */
extern char *jdg_arg_text(FunctionCallInfo fcinfo, int n);
extern Interval *jdg_arg_interval(FunctionCallInfo fcinfo, int n);
extern Jsonb *jdg_arg_jsonb(FunctionCallInfo fcinfo, int n);

/*
 * Raise VALIDATION_ERROR: the first if the argument is null, the second
 * always.
 */
extern char *jdg_need_text(FunctionCallInfo fcinfo, int n,
						   const char *function, const char *argument);
JDG_NORETURN extern void jdg_null_argument(const char *argument,
										   const char *function);

/*
 * The index of a word, in any case, among those that an argument accepts.
 * Raises VALIDATION_ERROR if it is none of them.
 */
extern int	jdg_choice(const char *argument, const char *word,
					   const char *const *words);

/*
 * Raises VALIDATION_ERROR if a word is none of these, in the same case.  NULL
 * is accepted.
 */
extern void jdg_check_word(const char *argument, const char *word,
						   const char *const *words);

/*
 * Raises VALIDATION_ERROR unless a name has 1 to JDG_NAME_MAX bytes on one
 * line, without spaces at its ends.  "what" is the kind of object for the
 * message.
 */
extern void jdg_check_name(const char *what, const char *name);

/*
 * Raises VALIDATION_ERROR for a new name that is left to jadugar: one that
 * begins with "jadugar", or one of "reserved", a list up to a NULL.
 */
extern void jdg_check_not_reserved(const char *what, const char *name,
								   const char *const *reserved);

/*
 * Raise VALIDATION_ERROR for metadata that is not an object or is larger than
 * JDG_NOTE_MAX, and for a description that is longer.  NULL is accepted.
 */
extern void jdg_check_metadata(Jsonb *metadata);
extern void jdg_check_description(const char *description);

/*
 * Raises VALIDATION_ERROR unless a key has 1 to JDG_KEY_BYTES_MAX bytes.  NULL
 * is accepted.
 */
extern void jdg_check_key(const char *argument, const char *key);

/*
 * Raises VALIDATION_ERROR for a text that cannot be the label of a tenant.
 * NULL is accepted.
 */
extern void jdg_check_tenant(const char *argument, const char *label);

/* the OID of a role by its exact name; raises NOT_FOUND if there is none */
extern Oid	jdg_role_by_name(const char *name);

#endif							/* JDG_BASE_ARGS_H */

/*-------------------------------------------------------------------------
 *
 * xactmode.c
 *	  Transaction modes of tasks, see xactmode.h.
 *
 * Pure.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/args.h"
#include "base/xactmode.h"

static const JdgXactMode modes[] = {
	JDG_XACT_COMMITTED, JDG_XACT_REPEATABLE, JDG_XACT_SERIALIZABLE,
	JDG_XACT_STANDALONE
};

static const char *const words[] = {
	"read committed", "repeatable read", "serializable", "standalone", NULL
};

const char *
jdg_xact_word(JdgXactMode mode)
{
	if (mode == JDG_XACT_HTTP)
		return NULL;
	for (int i = 0; i < lengthof(modes); i++)
	{
		if (modes[i] == mode)
			return words[i];
	}
	elog(ERROR, "unrecognized transaction mode: %d", mode);
	return NULL;				/* keep compiler quiet */
}

JdgXactMode
jdg_xact_mode(const char *word)
{
	if (pg_strcasecmp(word, "default") == 0)
		return JDG_XACT_COMMITTED;
	return modes[jdg_choice("transaction", word, words)];
}

/*-------------------------------------------------------------------------
 *
 * word_count.c
 *	  An example of a C handler: counts the words of a text.
 *
 * Payload: {"text": "..."}.  Result: {"words": n}.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>

#include "fmgr.h"
#include "jadugar_plugin.h"
#include "miscadmin.h"
#include "utils/jsonb.h"

PG_MODULE_MAGIC;
JADUGAR_MODULE;
JADUGAR_HANDLER(word_count);

/* Returns the text of the payload; raises an error if there is none. */
static JsonbValue *
get_text(Jsonb *payload)
{
	JsonbValue *text = NULL;

	if (JB_ROOT_IS_OBJECT(payload))
		text = getKeyJsonValueFromContainer(&payload->root, "text", 4, NULL);

	if (text == NULL || text->type != jbvString)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("payload must have a string \"text\""),
				 errdetail("The payload is %s.",
						   JsonbToCString(NULL, &payload->root,
										  VARSIZE(payload)))));
	return text;
}

void
word_count(JadugarTask *task)
{
	JsonbValue *text = get_text(DatumGetJsonbP(task->payload));
	const char *s = text->val.string.val;
	int			len = text->val.string.len;
	bool		in_word = false;
	int64		words = 0;
	char	   *result;

	for (int i = 0; i < len; i++)
	{
		bool		space = isspace((unsigned char) s[i]);

		words += !space && !in_word;
		in_word = !space;
		if (i % 65536 == 0)
		{
			/* stops the task when it is cancelled or past its deadline */
			CHECK_FOR_INTERRUPTS();
			task->progress(task, (double) i / len, NULL);
		}
	}
	result = psprintf("{\"words\": %lld}", (long long) words);
	task->set_result(task, result, strlen(result));
}

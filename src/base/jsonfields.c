/*-------------------------------------------------------------------------
 *
 * jsonfields.c
 *	  Builds a jsonb object from its fields, see jsonfields.h.
 *
 * Writes the format of jsonb that utils/jsonb.h describes.  It cannot change,
 * since tables of all versions hold it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/jsonfields.h"

/* an object that is being written */
typedef struct Writer
{
	JEntry	   *entry;			/* of keys, then of values */
	char	   *data;			/* after the entries */
	Size		len;			/* of the data so far */
	int			n;				/* number of entries so far */
} Writer;

int
jdg_json_compare_fields(const JdgJsonField *a, const JdgJsonField *b)
{
	if (a->len != b->len)
		return a->len < b->len ? -1 : 1;
	return memcmp(a->key, b->key, a->len);
}

static int
compare_for_qsort(const void *a, const void *b)
{
	const JdgJsonField *x = a;
	const JdgJsonField *y = b;
	int			result = jdg_json_compare_fields(x, y);

	/* the one that stays comes first */
	return result != 0 ? result : y->order - x->order;
}

/* Sorts the fields, unless they are sorted; returns how many stay. */
static int
sort_fields(JdgJsonField *fields, int n)
{
	bool		sorted = true;
	int			stay = 0;

	for (int i = 1; i < n && sorted; i++)
		sorted = jdg_json_compare_fields(&fields[i - 1], &fields[i]) < 0;
	if (sorted)
		return n;
	qsort(fields, n, sizeof(JdgJsonField), compare_for_qsort);
	for (int i = 0; i < n; i++)
	{
		if (i == 0 ||
			jdg_json_compare_fields(&fields[stay - 1], &fields[i]) != 0)
			fields[stay++] = fields[i];
	}
	return stay;
}

/* The bytes of a value in an object, and the type in its entry. */
static JEntry
value_bytes(const Jsonb *value, const char **bytes, Size *len)
{
	const JsonbContainer *c = &value->root;

	if (!JsonContainerIsScalar(c))
	{
		*bytes = (const char *) c;
		*len = VARSIZE(value) - VARHDRSZ;
		return JENTRY_ISCONTAINER;
	}
	/* a scalar is stored as an array of one element */
	*bytes = (const char *) &c->children[1];
	*len = JBE_OFFLENFLD(c->children[0]);
	return c->children[0] & JENTRY_TYPEMASK;
}

/* Must it begin at a multiple of four? */
static bool
is_aligned(JEntry type)
{
	return type == JENTRY_ISCONTAINER || type == JENTRY_ISNUMERIC;
}

/* The largest size that an object of n of these fields may have. */
static Size
upper_bound(const JdgJsonField *fields, int n)
{
	Size		size = offsetof(Jsonb, root) +
	offsetof(JsonbContainer, children) + 2 * n * sizeof(JEntry);

	for (int i = 0; i < n; i++)
		size += fields[i].len + VARSIZE(fields[i].value) + sizeof(JEntry);
	if (size > JENTRY_OFFLENMASK)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("total size of jsonb object elements exceeds the maximum of %u bytes",
						JENTRY_OFFLENMASK)));
	return size;
}

/* Appends a key or a value. */
static void
append(Writer *w, JEntry type, const char *bytes, Size len)
{
	Size		begin = w->len;

	if (is_aligned(type))
	{
		while (w->len % sizeof(JEntry) != 0)
			w->data[w->len++] = '\0';
	}
	memcpy(w->data + w->len, bytes, len);
	w->len += len;
	/* some entries have an offset, so that readers do not add up lengths */
	w->entry[w->n] = type | (w->n % JB_OFFSET_STRIDE == 0 ?
							 JENTRY_HAS_OFF | (JEntry) w->len :
							 (JEntry) (w->len - begin));
	w->n++;
}

Jsonb *
jdg_json_object(JdgJsonField *fields, int n)
{
	Jsonb	   *object;
	Writer		w = {0};

	n = sort_fields(fields, n);
	object = palloc(upper_bound(fields, n));
	object->root.header = n | JB_FOBJECT;
	w.entry = object->root.children;
	w.data = (char *) &w.entry[2 * n];
	for (int i = 0; i < n; i++)
		append(&w, JENTRY_ISSTRING, fields[i].key, fields[i].len);
	for (int i = 0; i < n; i++)
	{
		const char *bytes;
		Size		len;
		JEntry		type = value_bytes(fields[i].value, &bytes, &len);

		append(&w, type, bytes, len);
	}
	SET_VARSIZE(object, w.data + w.len - (char *) object);
	return object;
}

/*-------------------------------------------------------------------------
 *
 * imported.c
 *	  The elements that import_tenant() is given, see imported.h.
 *
 * Runs in the caller's backend.  An error says the number of the element, since
 * the user has passed many of them as one argument.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "base/errors.h"
#include "base/json.h"
#include "base/label.h"
#include "base/subxact.h"
#include "tenant/imported.h"

void
jdg_import_refuse(const JdgImportRow *row, const char *detail)
{
	ereport(ERROR,
			(errcode(JDG_ERRCODE_VALIDATION_ERROR),
			 errmsg("element %d of rows cannot be imported", row->number),
			 errdetail("%s", detail),
			 errhint("Pass rows as jadugar.export_tenant() returns them.")));
	pg_unreachable();
}

static void
convert_here(void *arg)
{
	JdgConversion *c = arg;
	JdgInternal in;

	jdg_internal_begin(&in);
	c->found = jdg_run(c->query, c->values, NULL, 1) > 0;
	if (c->found)
		c->take(c);
	jdg_internal_end(&in);
}

void
jdg_import_convert(JdgConversion *c)
{
	ErrorData  *error;

	c->mcxt = CurrentMemoryContext;
	error = jdg_in_subxact(convert_here, c, CurrentMemoryContext);
	if (error != NULL)
	{
		int			category = ERRCODE_TO_CATEGORY(error->sqlerrcode);

		if (category != ERRCODE_DATA_EXCEPTION &&
			category != ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION &&
			category != ERRCODE_TO_CATEGORY(ERRCODE_SYNTAX_ERROR) &&
			error->sqlerrcode != JDG_ERRCODE_VALIDATION_ERROR)
			ReThrowError(error);
		jdg_import_refuse(c->row, error->message);
	}
	if (!c->found)
		jdg_import_refuse(c->row, "A column that is needed is missing, or has an unrecognized value.");
}

/* Reads one element. */
static void
read_row(Jsonb *element, const char *rename, JdgImportRow *row)
{
	char	   *kind;
	Jsonb	   *version;

	if (!JB_ROOT_IS_OBJECT(element))
		jdg_import_refuse(row, "It is not an object.");
	kind = jdg_json_get_text(element, "kind");
	version = jdg_json_get(element, "version");
	row->row = jdg_json_get(element, "row");
	if (kind == NULL || version == NULL || row->row == NULL ||
		!JB_ROOT_IS_OBJECT(row->row))
		jdg_import_refuse(row, "It has no kind, version or row.");
	if (jdg_json_get_int64(element, "version") != JDG_EXPORT_VERSION)
		jdg_import_refuse(row, "Its version is not known to this version of jadugar.");
	if (!jdg_exported_kind(kind, &row->kind))
		jdg_import_refuse(row, psprintf("Its kind \"%s\" is not recognized.", jdg_excerpt(kind)));
	row->label = rename ? rename :
		jdg_json_get_text(row->row, row->kind == JDG_EXPORT_TENANT ? "name" :
						  "tenant");
	if (row->label == NULL || jdg_tenant_fault(row->label) != NULL)
		jdg_import_refuse(row, "It has no valid tenant.");
	if (row->kind == JDG_EXPORT_SCHEDULE || row->kind == JDG_EXPORT_TASK)
		row->old_id = jdg_json_get_int64(row->row,
										 row->kind == JDG_EXPORT_TASK ?
										 "task_id" : "schedule_id");
}

static int
compare(const void *a, const void *b)
{
	const JdgImportRow *ra = a;
	const JdgImportRow *rb = b;

	if (ra->kind != rb->kind)
		return ra->kind < rb->kind ? -1 : 1;
	if (ra->old_id != rb->old_id)
		return ra->old_id < rb->old_id ? -1 : 1;
	return ra->number < rb->number ? -1 : 1;
}

const JdgImportRow *
jdg_import_find(const JdgImportRow *rows, int n, JdgExportKind kind, int64 old_id)
{
	int			low = 0;
	int			high = n;

	while (low < high)
	{
		int			mid = low + (high - low) / 2;
		JdgImportRow key = {.kind = kind,.old_id = old_id};

		if (compare(&rows[mid], &key) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low < n && rows[low].kind == kind && rows[low].old_id == old_id &&
		old_id != 0 ? &rows[low] : NULL;
}

JdgImportRow *
jdg_import_read(ArrayType *elements, const char *rename, int *n)
{
	Datum	   *elems;
	bool	   *nulls;
	JdgImportRow *rows;

	deconstruct_array(elements, JSONBOID, -1, false, TYPALIGN_INT, &elems,
					  &nulls, n);
	rows = palloc0(sizeof(JdgImportRow) * Max(*n, 1));
	for (int i = 0; i < *n; i++)
	{
		rows[i].number = i + 1;
		if (nulls[i])
			jdg_import_refuse(&rows[i], "It is null.");
		read_row(DatumGetJsonbP(elems[i]), rename, &rows[i]);
	}
	qsort(rows, *n, sizeof(JdgImportRow), compare);
	for (int i = 1; i < *n; i++)
	{
		if (rows[i].kind == rows[i - 1].kind && rows[i].old_id != 0 &&
			rows[i].old_id == rows[i - 1].old_id)
			jdg_import_refuse(&rows[i], "Another element has the same id.");
	}
	return rows;
}

/*-------------------------------------------------------------------------
 *
 * mixing.c
 *	  Refusing ~>, & and | of flows side by side without parentheses.
 *
 * Runs in any backend, in any database, whenever a statement has been
 * analyzed.  PostgreSQL gives all operators with names of ours the same
 * precedence, so "a ~> b & c" is "(a ~> b) & c", which is rarely the intention.
 * Parentheses leave no trace in the tree: where one of our operators is the
 * left operand of another one, the source text between them is read again.
 *
 * Nothing is kept: a statement whose text has no two of the signs is left
 * alone, and operators that the server was made with are known by their OIDs.
 * Bodies that are stored analyzed (BEGIN ATOMIC) are not looked at.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "catalog/namespace.h"
#include "catalog/pg_operator.h"
#include "common/keywords.h"
#include "nodes/nodeFuncs.h"
#include "parser/analyze.h"
#include "parser/parse_node.h"
#include "parser/scanner.h"
#include "utils/syscache.h"

#include "base/errors.h"
#include "flow/graph/mixing.h"

static post_parse_analyze_hook_type prev_post_parse_analyze = NULL;

/* The sign of an operator of ours, or NULL. */
static const char *
sign_of(Oid operator)
{
	static const char *const signs[] = {"~>", "&", "|"};
	const char *sign = NULL;
	HeapTuple	tuple;
	Form_pg_operator form;

	if (operator < FirstNormalObjectId)
		return NULL;
	tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(operator));
	if (!HeapTupleIsValid(tuple))
		return NULL;
	form = (Form_pg_operator) GETSTRUCT(tuple);
	for (int i = 0; i < lengthof(signs); i++)
	{
		if (strcmp(NameStr(form->oprname), signs[i]) == 0 &&
			form->oprnamespace == get_namespace_oid("jadugar", true))
			sign = signs[i];
	}
	ReleaseSysCache(tuple);
	return sign;
}

/* Does the operator stand there, as itself or as OPERATOR(...)? */
static bool
is_at(const char *text, const char *sign)
{
	return strncmp(text, sign, strlen(sign)) == 0 ||
		pg_strncasecmp(text, "operator", 8) == 0;
}

/*
 * Does a parenthesis end between the two operators that was open at the
 * first?  Both begin where a token does.
 */
static bool
is_enclosed(const char *source, int from, int to)
{
	char	   *text = pnstrdup(source + from, to - from);
	core_yy_extra_type extra;
	core_yyscan_t scanner;
	core_YYSTYPE value;
	YYLTYPE		location;
	int			depth = 0;
	int			token;

	scanner = scanner_init(text, &extra, &ScanKeywords, ScanKeywordTokens);
	/* the parser has warned already */
	extra.escape_string_warning = false;
	while (depth >= 0 && (token = core_yylex(&value, &location, scanner)) != 0)
	{
		if (token == '(')
			depth++;
		else if (token == ')')
			depth--;
	}
	scanner_finish(scanner);
	pfree(text);
	return depth < 0;
}

/* Refuse an operator whose left operand is another one without parentheses. */
static void
check_operator(ParseState *pstate, const OpExpr *op)
{
	const OpExpr *left;
	const char *sign;
	const char *left_sign;
	const char *source = pstate->p_sourcetext;

	if (op->opno < FirstNormalObjectId || list_length(op->args) != 2 ||
		!IsA(linitial(op->args), OpExpr))
		return;
	left = linitial_node(OpExpr, op->args);
	if (left->opno == op->opno || left->location < 0 ||
		left->location >= op->location)
		return;
	sign = sign_of(op->opno);
	left_sign = sign ? sign_of(left->opno) : NULL;
	if (left_sign == NULL)
		return;
	/* positions in another text, should there be such */
	if (op->location >= strlen(source) ||
		!is_at(source + left->location, left_sign) ||
		!is_at(source + op->location, sign))
		return;
	if (is_enclosed(source, left->location, op->location))
		return;
	ereport(ERROR,
			(errcode(JDG_ERRCODE_VALIDATION_ERROR),
			 errmsg("operators %s and %s of flows are mixed without parentheses",
					left_sign, sign),
			 errdetail("They have the same precedence, so the one on the left would come first."),
			 errhint("Write (a %s b) %s c, or a %s (b %s c).", left_sign, sign,
					 left_sign, sign),
			 parser_errposition(pstate, op->location)));
}

static bool
check_node(Node *node, void *pstate)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, check_node, pstate, 0);
	if (IsA(node, OpExpr))
		check_operator((ParseState *) pstate, (OpExpr *) node);
	return expression_tree_walker(node, check_node, pstate);
}

/* May the statement have two of the signs?  Its text may be one of many. */
static bool
may_mix(const char *source, const Query *query)
{
	static const char signs[] = {'~', '&', '|'};
	const char *begin = source;
	size_t		len;
	int			found = 0;

	if (query->stmt_location > 0)
		begin += query->stmt_location;
	len = query->stmt_location >= 0 && query->stmt_len > 0 ?
		query->stmt_len : strlen(begin);
	for (int i = 0; i < lengthof(signs); i++)
		found += memchr(begin, signs[i], len) != NULL;
	return found > 1;
}

/* The query or expression in a utility statement that has been analyzed. */
static Node *
part_of_utility(Node *statement)
{
	switch (nodeTag(statement))
	{
		case T_ExplainStmt:
			return ((ExplainStmt *) statement)->query;
		case T_CreateTableAsStmt:
			return ((CreateTableAsStmt *) statement)->query;
		case T_DeclareCursorStmt:
			return ((DeclareCursorStmt *) statement)->query;
		case T_CallStmt:
			return (Node *) ((CallStmt *) statement)->funcexpr;
		default:
			return NULL;
	}
}

/* The hook: looks at every statement that may mix the operators. */
static void
post_parse_analyze(ParseState *pstate, Query *query, JumbleState *jstate)
{
	Node	   *node = (Node *) query;

	if (prev_post_parse_analyze)
		prev_post_parse_analyze(pstate, query, jstate);
	if (pstate->p_sourcetext == NULL ||
		!may_mix(pstate->p_sourcetext, query))
		return;
	while (node != NULL && IsA(node, Query) &&
		   ((Query *) node)->utilityStmt != NULL)
		node = part_of_utility(((Query *) node)->utilityStmt);
	(void) check_node(node, pstate);
}

void
jdg_flow_mixing_init(void)
{
	prev_post_parse_analyze = post_parse_analyze_hook;
	post_parse_analyze_hook = post_parse_analyze;
}

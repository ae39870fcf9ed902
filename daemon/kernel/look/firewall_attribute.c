/*
 * Attributes of other people's rules and sets. Nothing of their size or presence is taken for
 * granted: what is not as this program knows it is not there, and a rule with it is one that cannot
 * be told.
 */
#include <netinet/in.h>
#include <arpa/inet.h>

#include "daemon/kernel/look/firewall.h"

#include <linux/netfilter.h>

const struct nlattr *firewall_attribute(const struct nlattr *nest, uint16_t type)
{
	const struct nlattr *attr;

	if (!nest)
		return NULL;
	mnl_attr_for_each_nested(attr, nest)
	{
		if (mnl_attr_get_type(attr) == type)
			return attr;
	}
	return NULL;
}

bool firewall_number(const struct nlattr *nest, uint16_t type, uint32_t *ret)
{
	const struct nlattr *attr = firewall_attribute(nest, type);

	if (!attr || mnl_attr_validate(attr, MNL_TYPE_U32) < 0)
		return false;
	*ret = ntohl(mnl_attr_get_u32(attr));
	return true;
}

const char *firewall_text(const struct nlattr *nest, uint16_t type)
{
	const struct nlattr *attr = firewall_attribute(nest, type);

	return attr && mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0 ? mnl_attr_get_str(attr)
	                                                                 : NULL;
}

const uint8_t *firewall_value(const struct nlattr *nest, size_t *size)
{
	const struct nlattr *value = firewall_attribute(nest, NFTA_DATA_VALUE);

	if (!value)
		return NULL;
	*size = mnl_attr_get_payload_len(value);
	return mnl_attr_get_payload(value);
}

/* NF_* or NFT_* */
static enum firewall_verdict verdict_of(int code)
{
	switch (code) {
	case NF_ACCEPT:
		return FIREWALL_ACCEPT;
	case NF_DROP:
		return FIREWALL_DROP;
	case NFT_JUMP:
		return FIREWALL_JUMP;
	case NFT_GOTO:
		return FIREWALL_GOTO;
	case NFT_RETURN:
		return FIREWALL_RETURN;
	default:
		return FIREWALL_NONE;
	}
}

struct firewall_action firewall_verdict_in(const struct nlattr *nest)
{
	struct firewall_action action = {FIREWALL_NONE, ""};
	const char *chain;
	int code;

	if (!nest || !nft_verdict_read(nest, &code, &chain))
		return action;
	action.verdict = verdict_of(code);
	snprintf(action.chain, sizeof(action.chain), "%s", chain);
	return action;
}

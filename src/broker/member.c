#include "broker/member.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

static int no_memory(void)
{
    return error_set(MAPLOG_NO_MEMORY, "no memory for a member of a group");
}

static int copy(const void *from, int32_t size, void **to)
{
    *to = NULL;
    if (size < 0)
        return 0;
    *to = malloc((size_t)size + 1); /* an empty one has an address too */
    if (!*to)
        return no_memory();
    memcpy(*to, size ? from : "", (size_t)size);
    return 0;
}

static int copy_string(struct wire_string *to, struct wire_string from)
{
    void *at;
    int result = copy(from.at, from.size, &at);
    if (!result)
        *to = (struct wire_string){at, from.size};
    return result;
}

/* "127.0.0.1:51234" or "[::1]:51234" as Kafka's tools show it: "/127.0.0.1". */
static int copy_host(struct wire_string *to, const char *peer)
{
    const char *colon = strrchr(peer, ':');
    size_t size = colon ? (size_t)(colon - peer) : strlen(peer);
    if (size > 2 && peer[0] == '[' && peer[size - 1] == ']') {
        peer++;
        size -= 2;
    }
    char *host = malloc(size + 1);
    if (!host)
        return no_memory();
    host[0] = '/';
    memcpy(host + 1, peer, size);
    *to = (struct wire_string){host, (int32_t)size + 1};
    return 0;
}

struct member *member_create(struct wire_string id, const struct broker_request *request)
{
    static const struct wire_string null = {NULL, -1};
    const struct join_group_request *asked = request->body;
    struct wire_string client = request->header.client_id;
    struct member *made = calloc(1, sizeof *made);
    if (!made)
        return NULL;
    made->id = made->instance_id = made->client_id = made->client_host = null;
    if (client.size < 0)
        client = (struct wire_string){"", 0};
    if (copy_string(&made->id, id) || copy_string(&made->instance_id, asked->group_instance_id) ||
        copy_string(&made->client_id, client) ||
        copy_host(&made->client_host, request->peer ? request->peer : "") ||
        member_update(made, asked)) {
        member_free(made);
        return NULL;
    }
    made->bytes += sizeof *made + (size_t)id.size + (size_t)client.size;
    made->is_new = true;
    return made;
}

void member_free(struct member *member)
{
    if (!member)
        return;
    free((void *)member->id.at);
    free((void *)member->instance_id.at);
    free((void *)member->client_id.at);
    free((void *)member->client_host.at);
    free(member->protocols);
    free((void *)member->assignment.at);
    free(member);
}

static size_t protocol_bytes(const struct join_group_request *asked)
{
    size_t size = 0;
    for (int32_t i = 0; i < asked->protocols_count; i++)
        size += sizeof *asked->protocols + (size_t)asked->protocols[i].name.size +
                (size_t)asked->protocols[i].metadata.size;
    return size;
}

int member_update(struct member *member, const struct join_group_request *asked)
{
    size_t size = protocol_bytes(asked);
    int32_t count = asked->protocols_count;
    struct join_group_request_protocols *protocols = malloc(size + 1);
    if (!protocols)
        return no_memory();
    char *at = (char *)(protocols + count);
    for (int32_t i = 0; i < count; i++) {
        const struct join_group_request_protocols *from = &asked->protocols[i];
        protocols[i].name = (struct wire_string){at, from->name.size};
        memcpy(at, from->name.at, (size_t)from->name.size);
        at += from->name.size;
        protocols[i].metadata = (struct wire_bytes){(uint8_t *)at, from->metadata.size};
        memcpy(at, from->metadata.at, (size_t)from->metadata.size);
        at += from->metadata.size;
    }
    struct join_group_request old = {.protocols = member->protocols,
                                     .protocols_count = member->protocol_count};
    member->bytes += size - protocol_bytes(&old);
    free(member->protocols);
    member->protocols = protocols;
    member->protocol_count = count;
    member->session_ms = asked->session_timeout_ms;
    /* Version 0 has no such field, and some clients of later ones say -1. */
    member->rebalance_ms =
        asked->rebalance_timeout_ms < 0 ? asked->session_timeout_ms : asked->rebalance_timeout_ms;
    return 0;
}

bool member_offers_same(const struct member *member, const struct join_group_request *asked)
{
    if (member->protocol_count != asked->protocols_count)
        return false;
    for (int32_t i = 0; i < asked->protocols_count; i++) {
        const struct join_group_request_protocols *one = &member->protocols[i];
        const struct join_group_request_protocols *other = &asked->protocols[i];
        if (!member_is(one->name, other->name) || one->metadata.size != other->metadata.size ||
            memcmp(one->metadata.at, other->metadata.at, (size_t)one->metadata.size) != 0)
            return false;
    }
    return true;
}

struct wire_bytes member_metadata(const struct member *member, struct wire_string protocol)
{
    for (int32_t i = 0; i < member->protocol_count; i++) {
        if (member_is(member->protocols[i].name, protocol))
            return member->protocols[i].metadata;
    }
    return (struct wire_bytes){(const uint8_t *)"", 0};
}

int member_rename(struct member *member, struct wire_string id)
{
    struct wire_string fresh;
    int result = copy_string(&fresh, id);
    if (result)
        return result;
    free((void *)member->id.at);
    member->id = fresh;
    return 0;
}

int member_assign(struct member *member, struct wire_bytes assignment)
{
    void *at;
    int result = copy(assignment.at, assignment.size, &at);
    if (result)
        return result;
    member->bytes += (size_t)assignment.size - (size_t)member->assignment.size;
    free((void *)member->assignment.at);
    member->assignment = (struct wire_bytes){at, assignment.size};
    return 0;
}

#include "base/error.h"
#include "wire/codec.h"
#include "wire/messages.h"
#include "wire/output.h"
#include "wire/rows.h"

static bool has_tags(const struct wire_api *api, int16_t version)
{
    return version >= api->flexible_version;
}

/* ApiVersions is answered with the oldest header, which whoever asks can read in any case. */
static bool answer_has_tags(const struct wire_api *api, int16_t version)
{
    return has_tags(api, version) && api->key != WIRE_API_VERSIONS;
}

/* No header has tagged fields that are known. */
static void skip_tags(struct bytes *in)
{
    uint32_t count = bytes_take_uvarint(in);
    for (uint32_t i = 0; i < count && !in->failed; i++) {
        bytes_take_uvarint(in);
        bytes_take(in, bytes_take_uvarint(in));
    }
}

static int truncated(const struct bytes *in, const uint8_t *first, const char *what)
{
    return error_set(MAPLOG_CORRUPT,
                     "the header of the %s ends too early or has an absurd length, byte %zu", what,
                     (size_t)(in->at - first));
}

static int no_such_api(int16_t key)
{
    return error_set(MAPLOG_UNSUPPORTED, "no API has the key %d", key);
}

int wire_decode_request_header(struct bytes *in, struct wire_request_header *header)
{
    const uint8_t *first = in->at;
    header->api_key = (int16_t)bytes_take16(in);
    header->api_version = (int16_t)bytes_take16(in);
    header->correlation_id = (int32_t)bytes_take32(in);
    header->client_id = wire_text(NULL);
    if (in->failed)
        return truncated(in, first, "request");
    const struct wire_api *api = wire_api(header->api_key);
    if (!api)
        return no_such_api(header->api_key);
    int result = wire_check_version(api->request, header->api_version);
    if (result != 0)
        return result;
    /* Also where tags follow, the client's name has a plain length. */
    int16_t size = (int16_t)bytes_take16(in);
    if (size >= 0)
        header->client_id.at = (const char *)bytes_take(in, (size_t)size);
    if (has_tags(api, header->api_version))
        skip_tags(in);
    if (in->failed || size < -1)
        return truncated(in, first, "request");
    header->client_id.size = size;
    return 0;
}

/* Writes room for the size and returns where; it is known at the end. */
static uint8_t *begin(struct wire_output *out)
{
    wire_put32(out, 0);
    return out->failed ? NULL : out->at - WIRE_FRAME_PREFIX;
}

static int end(struct wire_output *out, uint8_t *prefix, const struct wire_struct *type,
               int16_t version, const void *body)
{
    int result = wire_encode(type, version, body, out);
    if (result == 0)
        bytes_store32(prefix, (uint32_t)(out->size - WIRE_FRAME_PREFIX));
    return result;
}

int wire_encode_response(const struct wire_api *api, int16_t version, int32_t correlation_id,
                         const void *body, struct wire_output *out)
{
    uint8_t *prefix = begin(out);
    wire_put32(out, (uint32_t)correlation_id);
    if (answer_has_tags(api, version))
        wire_put_uvarint(out, 0);
    return end(out, prefix, api->response, version, body);
}

int wire_encode_request(const struct wire_request_header *header, const void *body,
                        struct wire_output *out)
{
    const struct wire_api *api = wire_api(header->api_key);
    if (!api)
        return no_such_api(header->api_key);
    const struct wire_string *client_id = &header->client_id;
    if (client_id->size > INT16_MAX)
        return error_set(MAPLOG_TOO_LARGE, "a client id of %d bytes; the protocol ends at %d",
                         client_id->size, INT16_MAX);
    uint8_t *prefix = begin(out);
    wire_put16(out, (uint16_t)header->api_key);
    wire_put16(out, (uint16_t)header->api_version);
    wire_put32(out, (uint32_t)header->correlation_id);
    wire_put16(out, (uint16_t)client_id->size);
    if (client_id->size > 0)
        wire_put_data(out, client_id->at, (size_t)client_id->size);
    if (has_tags(api, header->api_version))
        wire_put_uvarint(out, 0);
    return end(out, prefix, api->request, header->api_version, body);
}

int wire_decode_response_header(const struct wire_api *api, int16_t version, struct bytes *in,
                                int32_t *correlation_id)
{
    const uint8_t *first = in->at;
    *correlation_id = (int32_t)bytes_take32(in);
    if (answer_has_tags(api, version))
        skip_tags(in);
    return in->failed ? truncated(in, first, "answer") : 0;
}

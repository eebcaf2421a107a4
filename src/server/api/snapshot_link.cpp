#include "server/api/snapshot_link.hpp"

#include "base/bytes.hpp"
#include "base/json.hpp"
#include "store/snapshots.hpp"

namespace belay::server {
namespace {

constexpr std::size_t kLinkBytesMax = 2'048;

struct Link {
  std::string snapshot_id, slot;
  Instant expires_at{};
};
BOOST_DESCRIBE_STRUCT(Link, (), (snapshot_id, slot, expires_at))

Result<std::string> content_behind(const Services& services, std::string_view sealed) {
  if (sealed.size() > kLinkBytesMax) return Error(Code::invalid_argument, "the link is over its limit");
  BELAY_TRY_ASSIGN(const auto bytes, from_hex(sealed));
  return services.store.read([&](store::Sql& sql) -> Result<std::string> {
    BELAY_TRY_ASSIGN(const auto text, sql.seams().unseal(bytes));
    BELAY_TRY_ASSIGN(const auto link, json::decode_text<Link>(text));
    const Instant now = services.clock.now();
    if (link.expires_at < now) return Error(Code::permission_denied, "the link has expired");
    BELAY_TRY_ASSIGN(const auto frozen, store::snapshots::get(sql, link.snapshot_id, link.slot, now));
    return frozen.content;
  });
}

}  // namespace

std::string make_snapshot_link(store::Sql& sql, std::string_view base_url, std::string_view snapshot_id,
                               std::string_view slot, Instant now) {
  const Link link{std::string(snapshot_id), std::string(slot), now + kSnapshotLinkLives};
  return std::string(base_url) + std::string(kSnapshotPath) + to_hex(sql.seams().seal(json::encode_text(link)));
}

io::HttpResponse answer_snapshot_link(const Services& services, const io::HttpRequest& request) {
  const auto content = content_behind(services, request.path().substr(kSnapshotPath.size()));
  io::HttpResponse response;
  response.status = content.ok() ? 200 : 403;
  response.headers.set("Content-Type", "application/json");
  response.headers.set("Cache-Control", "no-store");
  response.body =
      content.ok() ? *content : R"({"message":"the link is not valid, or has expired: ask for the snapshot again"})";
  return response;
}

}  // namespace belay::server

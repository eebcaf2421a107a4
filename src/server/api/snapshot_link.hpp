#pragma once
// The download that GetDeployablePatchSnapshotForInstance links to: a frozen baseline, for whoever holds the link, for
// a day. The link is sealed under the server's key, so it can be neither made up nor changed.
#include <string>
#include <string_view>

#include "base/time.hpp"
#include "io/http.hpp"
#include "server/engine/services.hpp"
#include "store/store.hpp"

namespace belay::server {

inline constexpr std::string_view kSnapshotPath = "/api/snapshots/";
inline constexpr Duration kSnapshotLinkLives{24LL * 3600 * 1000};

std::string make_snapshot_link(store::Sql& sql, std::string_view base_url, std::string_view snapshot_id,
                               std::string_view slot, Instant now);
io::HttpResponse answer_snapshot_link(const Services& services, const io::HttpRequest& request);

}  // namespace belay::server

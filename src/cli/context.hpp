#pragma once
// What every command works with: where the server is, how to print, and the one way to call an operation.
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"
#include "base/result.hpp"
#include "io/http.hpp"

namespace belay::cli {

enum class Format { table, json, csv };

struct Settings {
  std::string url;
  std::string ca_path;
  std::string token;
};
Settings settings_of_environment();

struct Context {
  Settings settings;
  Format format = Format::table;
  std::unique_ptr<io::HttpClient> client;  // made at the first call
};

// Whether the token may be sent there: over TLS, or in the clear to a loopback address.
Status check_server_url(const std::string& text);
bool is_loopback_url(const std::string& text);  // it reaches a server on this machine alone

// POST /api/<operation>. The server's error comes back with its own words.
Result<json::Value> call(Context& context, std::string_view operation, const json::Object& request);
// The same over every page (NextToken), the lists of `member` joined. Bounded by 10,000 pages.
Result<json::Array> call_all(Context& context, std::string_view operation, json::Object request,
                             std::string_view member);

}  // namespace belay::cli

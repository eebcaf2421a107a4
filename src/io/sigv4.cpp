#include "io/sigv4.hpp"

#include <algorithm>
#include <array>

#include "base/bytes.hpp"
#include "base/text.hpp"
#include "io/crypto.hpp"

namespace belay::io::sigv4 {
namespace {

bool is_unreserved(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
         c == '.' || c == '~';
}

std::string encode(std::string_view text, bool keep_slash) {
  static constexpr std::string_view digits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    if (is_unreserved(c) || (keep_slash && c == '/')) {
      out += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out += {'%', digits[byte >> 4], digits[byte & 15]};
  }
  return out;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string decode(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool escape =
        text[i] == '%' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 && hex_digit(text[i + 2]) >= 0;
    out += escape ? static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2])) : text[i];
    if (escape) i += 2;
  }
  return out;
}

// Without empty and dot segments, as the SDKs sign it; a slash at the end stays.
std::string normalised_path(std::string_view path) {
  std::vector<std::string> kept;
  for (const auto segment : split(path, '/')) {
    if (segment.empty() || segment == ".") continue;
    if (segment == "..") {
      if (!kept.empty()) kept.pop_back();
    } else {
      kept.emplace_back(segment);
    }
  }
  std::string out = "/" + join(kept, "/");
  if (!kept.empty() && path.ends_with('/')) out += '/';
  return out;
}

std::string canonical_query(std::string_view target) {
  const auto mark = target.find('?');
  if (mark == std::string_view::npos) return {};
  std::vector<std::string> pairs;
  for (const auto pair : split(target.substr(mark + 1), '&')) {
    if (pair.empty()) continue;
    const auto equals = pair.find('=');
    const auto key = pair.substr(0, equals),
               value = equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1);
    pairs.push_back(encode(decode(key), false) + "=" + encode(decode(value), false));
  }
  std::ranges::sort(pairs);
  return join(pairs, "&");
}

// Trimmed, runs of blanks as one; several fields of one name joined by commas.
std::string canonical_value(const HttpHeaders& headers, std::string_view name) {
  std::string out;
  bool first = true;
  for (const auto& [field, value] : headers.fields) {
    if (!equal_ignoring_case(field, name)) continue;
    if (!first) out += ',';
    first = false;
    bool blank = false;
    for (const char c : trim(value)) {
      if (!blank || c != ' ') out += c;
      blank = c == ' ';
    }
  }
  return out;
}

Error malformed(std::string what) { return Error(Code::invalid_argument, std::move(what)); }

// "Credential=…", "SignedHeaders=…", "Signature=…", in any order, each once.
Result<std::string_view> field_of(const std::vector<std::string_view>& fields, std::string_view name) {
  std::optional<std::string_view> found;
  for (const auto field : fields) {
    const auto text = trim(field);
    if (!text.starts_with(name) || text.size() <= name.size() || text[name.size()] != '=') continue;
    if (found) return malformed("the Authorization header has '" + std::string(name) + "' twice");
    found = text.substr(name.size() + 1);
  }
  if (!found || found->empty()) return malformed("the Authorization header requires '" + std::string(name) + "'");
  return *found;
}

bool is_lower_hex(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

}  // namespace

Result<Authorization> parse_authorization(std::string_view header) {
  if (header.size() > kAuthorizationBytesMax) return malformed("the Authorization header is over its limit");
  if (!header.starts_with(kAlgorithm) || header.size() <= kAlgorithm.size() || header[kAlgorithm.size()] != ' ')
    return malformed("the Authorization header must begin with " + std::string(kAlgorithm));
  const auto fields = split(header.substr(kAlgorithm.size() + 1), ',');
  BELAY_TRY_ASSIGN(const auto credential, field_of(fields, "Credential"));
  BELAY_TRY_ASSIGN(const auto names, field_of(fields, "SignedHeaders"));
  BELAY_TRY_ASSIGN(const auto signature_text, field_of(fields, "Signature"));
  const auto parts = split(credential, '/');
  if (parts.size() != 5 || parts[4] != "aws4_request" || std::ranges::any_of(parts, &std::string_view::empty))
    return malformed("Credential must be KEY-ID/YYYYMMDD/REGION/SERVICE/aws4_request");
  Authorization out;
  out.access_key_id = parts[0];
  out.scope = {std::string(parts[1]), std::string(parts[2]), std::string(parts[3])};
  for (const auto name : split(names, ';')) {
    if (name.empty() || name != to_lower(name))
      return malformed("SignedHeaders must be lower-case names separated by ';'");
    if (out.signed_headers.size() == kSignedHeadersMax) return malformed("SignedHeaders names too many headers");
    out.signed_headers.emplace_back(name);
  }
  if (!std::ranges::is_sorted(out.signed_headers)) return malformed("SignedHeaders must be sorted");
  if (signature_text.size() != 64 || !is_lower_hex(signature_text))
    return malformed("Signature must be 64 hexadecimal digits");
  out.signature = signature_text;
  return out;
}

std::string canonical_request(const HttpRequest& request, const std::vector<std::string>& signed_headers,
                              std::string_view payload_sha256_hex) {
  std::string out = request.method + "\n" + encode(normalised_path(request.path()), true) + "\n" +
                    canonical_query(request.target) + "\n";
  for (const auto& name : signed_headers) out += name + ":" + canonical_value(request.headers, name) + "\n";
  return out + "\n" + join(signed_headers, ";") + "\n" + std::string(payload_sha256_hex);
}

std::string string_to_sign(std::string_view amz_date, const Scope& scope, std::string_view canonical) {
  return std::string(kAlgorithm) + "\n" + std::string(amz_date) + "\n" + scope.text() + "\n" + sha256_hex(canonical);
}

std::string signature(std::string_view secret, const Scope& scope, std::string_view to_sign) {
  std::string key = hmac_sha256("AWS4" + std::string(secret), scope.date);
  for (const std::string_view step :
       {std::string_view(scope.region), std::string_view(scope.service), std::string_view("aws4_request")})
    key = hmac_sha256(key, step);
  return to_hex(hmac_sha256(key, to_sign));
}

}  // namespace belay::io::sigv4

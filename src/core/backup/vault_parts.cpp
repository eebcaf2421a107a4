#include "core/backup/vault_parts.hpp"

#include <algorithm>

#include "base/bytes.hpp"
#include "base/text.hpp"

namespace belay::backup::parts {
namespace {

// "ssh-ed25519 AAAA…", a comment after it or not. The key names its own type once more (RFC 4253, 6.6), so a key that
// was cut or put together wrongly is seen here and not in the night.
std::string host_key_problem(std::string_view line) {
  const auto fields = split(line, ' ');
  if (fields.size() < 2 || line.find('\n') != std::string_view::npos)
    return "is no host key; write \"ssh-ed25519 AAAA…\", as ssh-keyscan prints it after the host's name";
  constexpr std::string_view kTypes[] = {"ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384",
                                         "ecdsa-sha2-nistp521", "ssh-rsa"};
  if (std::ranges::find(kTypes, fields[0]) == std::end(kTypes))
    return "is of the type '" + sanitize(fields[0], 40) + "'; known are ssh-ed25519, ecdsa-sha2-nistp*, ssh-rsa";
  const auto blob = from_base64(fields[1]);
  const auto type = fields[0];
  if (!blob.ok() || blob->size() < 32 + type.size() || blob->substr(0, 3) != std::string_view("\0\0\0", 3) ||
      static_cast<unsigned char>((*blob)[3]) != type.size() || blob->substr(4, type.size()) != type)
    return "is cut or is no key of its type; copy the whole line that ssh-keyscan prints";
  return {};
}

std::string ca(const Place& place) {
  auto pem = place.text("ca", false, 64 << 10);
  if (!pem.empty() && (!trim(pem).starts_with("-----BEGIN CERTIFICATE-----") ||
                       pem.find("-----END CERTIFICATE-----") == std::string::npos))
    place.reader.refuse(place.at("ca"), "is no certificate in PEM (-----BEGIN CERTIFICATE----- …)");
  return pem;
}

// A path below something else.
std::string relative_path(const Place& place, std::string_view field) {
  auto text = place.text(field, false, 500);
  if (text.empty()) return text;
  const auto parts = split(text, '/');
  if (!is_plain(text) || text.front() == '/' || text.find('\\') != std::string::npos ||
      std::ranges::any_of(parts, [](auto part) { return part == ".." || part == "."; }))
    place.reader.refuse(place.at(field), "is '" + sanitize(text, 80) + "'; write a path without '/' before it or '..'");
  while (text.ends_with('/')) text.pop_back();
  return text;
}

bool is_bucket(std::string_view bucket) {
  const auto fits = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.'; };
  return bucket.size() >= 3 && bucket.size() <= 63 && std::ranges::all_of(bucket, fits) && bucket.front() != '-' &&
         bucket.front() != '.' && bucket.back() != '-' && bucket.back() != '.' &&
         bucket.find("..") == std::string_view::npos;
}

bool is_amazon(const S3Place& s3) {
  return s3.endpoint.empty() || s3.endpoint.find("amazonaws.com") != std::string::npos;
}

// What a repository is worth in an archive class: nothing, while it is at work. The engines read their own index, and
// restic and pgBackRest also data, at every backup, copy, check, restore test and clean-up; an archived object gives
// nothing back (InvalidObjectState) until it was thawed. Chunks are shared between points, so a lifecycle rule that
// archives old objects breaks new points, too. (restic 0.14 puts its index into the class as well; reading such
// objects is alpha in 0.17 and later. Thawing: Amazon S3 user guide, archive retrieval options.)
void check_storage_class(const Place& place, const S3Place& s3) {
  const auto& word = s3.storage_class;
  if (word.empty()) return;
  if (word == "GLACIER" || word == "DEEP_ARCHIVE")
    return place.reader.refuse(
        place.at("storageClass"),
        "is " + word + ": its objects can be read only after " + (word == "GLACIER" ? "3 to 12" : "12 to 48") +
            " hours of thawing, and a repository at work reads its own files at every backup, copy, restore test and "
            "restore, so nothing in it could be proven. Use GLACIER_IR (read at once, at least 90 days are billed) or "
            "STANDARD_IA. For an archive let the bucket replicate into another one that is no vault, and let that "
            "one's "
            "lifecycle move everything to " +
            word + "; never let a lifecycle rule archive or expire this vault's own objects, for points share them");
  constexpr std::string_view kAmazons[] = {"STANDARD",   "STANDARD_IA",       "ONEZONE_IA", "INTELLIGENT_TIERING",
                                           "GLACIER_IR", "REDUCED_REDUNDANCY"};
  const bool is_word = std::ranges::all_of(
      word, [](char c) { return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-'; });
  if (is_amazon(s3) ? std::ranges::find(kAmazons, word) == std::end(kAmazons) : !is_word || word.size() > 64)
    place.reader.refuse(place.at("storageClass"),
                        "is '" + sanitize(word, 40) +
                            "', expected STANDARD, STANDARD_IA, ONEZONE_IA, INTELLIGENT_TIERING or GLACIER_IR");
}

}  // namespace

SftpPlace read_sftp(const Place& place) {
  place.reader.only(place.object, place.path, {"host", "port", "user", "path", "hostKeys"});
  SftpPlace sftp;
  sftp.host = place.text("host", true, 253);
  if (!sftp.host.empty() && (!is_plain(sftp.host) || sftp.host.find_first_of(" /@[]'\"\\$;") != std::string::npos))
    place.reader.refuse(place.at("host"), "is no name or address of a host");
  sftp.port = place.number("port", 22, 1, 65'535);
  sftp.user = place.text("user", true, 64);
  if (!sftp.user.empty() && !is_name(sftp.user)) place.reader.refuse(place.at("user"), "is no user's name");
  sftp.path = path(place, "path", true);
  sftp.host_keys = place.texts("hostKeys", 10, 4'000);
  if (sftp.host_keys.empty())
    place.reader.refuse(place.at("hostKeys"),
                        "names no key, and a host that cannot be told from another gets no backups; ask the host's "
                        "keeper, or ssh-keyscan on a way that you trust, and write \"ssh-ed25519 AAAA…\"");
  for (std::size_t i = 0; i < sftp.host_keys.size(); ++i)
    if (const auto problem = host_key_problem(sftp.host_keys[i]); !problem.empty())
      place.reader.refuse(item_path(place.at("hostKeys"), i), problem);
  return sftp;
}

S3Place read_s3(const Place& place) {
  place.reader.only(place.object, place.path,
                    {"endpoint", "bucket", "prefix", "region", "storageClass", "pathStyle", "ca"});
  S3Place s3;
  s3.endpoint = place.text("endpoint", false, 500);
  if (!s3.endpoint.empty())
    if (const auto problem = address_problem(s3.endpoint); !problem.empty())
      place.reader.refuse(place.at("endpoint"), problem);
  s3.bucket = place.text("bucket", true, 500);
  if (!s3.bucket.empty() && !is_bucket(s3.bucket))
    place.reader.refuse(place.at("bucket"), "is no bucket's name: 3 to 63 of a-z, 0-9, '-' and '.'");
  s3.prefix = relative_path(place, "prefix");
  s3.region = place.text("region", false, 64);
  if (!s3.region.empty() && !is_name(s3.region)) place.reader.refuse(place.at("region"), "is no region");
  if (is_amazon(s3) && s3.region.empty())
    place.reader.refuse(place.at("region"), "is missing; Amazon's S3 wants the bucket's region, like eu-central-1");
  s3.storage_class = place.text("storageClass", false, 100);
  check_storage_class(place, s3);
  s3.path_style = place.flag("pathStyle", false);
  s3.ca_pem = ca(place);
  return s3;
}

RestPlace read_rest(const Place& place) {
  place.reader.only(place.object, place.path, {"url", "ca"});
  RestPlace rest;
  rest.url = place.text("url", true, 1'000);
  if (rest.url.starts_with("rest:"))
    place.reader.refuse(place.at("url"), "begins with 'rest:'; write the address alone, https://…");
  else if (!rest.url.empty())
    if (const auto problem = address_problem(rest.url); !problem.empty()) place.reader.refuse(place.at("url"), problem);
  rest.ca_pem = ca(place);
  return rest;
}

RemovablePlace read_removable(const Place& place) {
  place.reader.only(place.object, place.path, {"labels", "path", "askedAfter"});
  RemovablePlace removable;
  removable.labels = place.texts("labels", 20, 255);
  if (removable.labels.empty())
    place.reader.refuse(place.at("labels"), "names no drive; write the labels of their file systems (blkid, lsblk -f)");
  for (std::size_t i = 0; i < removable.labels.size(); ++i) {
    const auto& label = removable.labels[i];
    if (!is_name(label)) place.reader.refuse(item_path(place.at("labels"), i), "is no label that can be looked for");
    else if (std::ranges::count(removable.labels, label) > 1)
      place.reader.refuse(item_path(place.at("labels"), i), "stands twice; drives are told apart by their labels");
  }
  removable.path = relative_path(place, "path");
  // Drives that change weekly: each is away for as many weeks as there are drives.
  const auto weeks = std::max<std::size_t>(1, removable.labels.size());
  removable.asked_after = place.span("askedAfter", 7 * kDay * static_cast<std::int64_t>(weeks), kHour, 365 * kDay);
  return removable;
}

TapePlace read_tape(const Place& place) {
  place.reader.only(place.object, place.path, {"device", "ltfs"});
  TapePlace tape;
  tape.device = path(place, "device");
  tape.ltfs = path(place, "ltfs");
  if (tape.device.empty() == tape.ltfs.empty())
    place.reader.refuse(place.path, "names one of device (a drive, /dev/nst0) and ltfs (where a volume is mounted)");
  if (!tape.device.empty() && !tape.device.starts_with("/dev/"))
    place.reader.refuse(place.at("device"), "is no device below /dev");
  if (tape.device.starts_with("/dev/st"))
    place.reader.refuse(place.at("device"),
                        "rewinds itself after each archive, so that the next one overwrites it; "
                        "name the device that does not, /dev/n" +
                            tape.device.substr(5, 20));
  return tape;
}

}  // namespace belay::backup::parts

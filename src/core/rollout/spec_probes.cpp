// The probes and the gate of a rollout's file.
#include <algorithm>

#include "core/rollout/spec_parts.hpp"

namespace belay::rollout::parts {
namespace {
using patchrun::ProbeSpec;
constexpr Duration kWithinMax{600'000}, kShortest{100};

// `systemd: newly-failed` or `systemd: {units: [a.service]}`.
void systemd(const Place& place, ProbeSpec& probe) {
  const auto* value = place.find("systemd");
  if (!value) return;
  probe.systemd.emplace();
  if (value->is_string()) {
    place.choice("systemd", "newly-failed", "");
    return;
  }
  place.with("systemd", [&](const Place& inner) {
    inner.reader.only(inner.object, inner.path, {"units"});
    probe.systemd->units = inner.texts("units", 100);
    if (probe.systemd->units.empty()) inner.reader.refuse(inner.at("units"), "names no unit");
  });
}

// `tcp: "host:port"` or `tcp: {address, within}`.
void tcp(const Place& place, ProbeSpec& probe) {
  const auto* value = place.find("tcp");
  if (!value) return;
  probe.tcp.emplace();
  if (value->is_string()) {
    probe.tcp->address = place.text("tcp", true);
    return;
  }
  place.with("tcp", [&](const Place& inner) {
    inner.reader.only(inner.object, inner.path, {"address", "within"});
    probe.tcp->address = inner.text("address", true);
    probe.tcp->within = inner.span("within", probe.tcp->within, kShortest, kWithinMax);
  });
}

void http(const Place& place, ProbeSpec& probe) {
  const auto* value = place.find("http");
  if (!value) return;
  probe.http.emplace();
  if (value->is_string()) {
    probe.http->url = place.text("http", true, 2'000);
    return;
  }
  place.with("http", [&](const Place& inner) {
    auto& http = *probe.http;
    inner.reader.only(inner.object, inner.path, {"url", "status", "within", "contains"});
    http.url = inner.text("url", true, 2'000);
    http.status = inner.number("status", http.status, 100, 599);
    http.within = inner.span("within", http.within, kShortest, kWithinMax);
    http.contains = inner.text("contains", false, 1'000);
  });
}

void command(const Place& place, ProbeSpec& probe) {
  if (!place.find("command")) {
    if (place.find("timeout")) place.reader.refuse(place.at("timeout"), "belongs to a command, and there is none here");
    return;
  }
  probe.command.emplace();
  probe.command->command = place.text("command", true, 8'000);
  probe.command->timeout = place.span("timeout", probe.command->timeout, kShortest, kWithinMax);
}

void journal(const Place& place, ProbeSpec& probe) {
  const auto* value = place.find("journal");
  if (!value) return;
  probe.journal.emplace();
  if (value->is_string()) {
    place.choice("journal", "error-rate", "");
    return;
  }
  place.with("journal", [&](const Place& inner) {
    inner.reader.only(inner.object, inner.path, {"priority", "times", "free"});
    probe.journal->priority = inner.choice("priority", "emerg,alert,crit,err,warning", "err");
    probe.journal->times = inner.number("times", probe.journal->times, 1, 1'000);
    probe.journal->free = inner.number("free", probe.journal->free, 0, 100'000);
  });
}

void ports(const Place& place, ProbeSpec& probe) {
  const auto* value = place.find("ports");
  if (!value) return;
  probe.ports.emplace();
  if (value->is_string()) {
    place.choice("ports", "vanished", "");
    return;
  }
  place.with("ports", [&](const Place& inner) {
    inner.reader.only(inner.object, inner.path, {"ignore"});
    const auto* list = inner.find("ignore");
    const auto* items = list ? list->if_array() : nullptr;
    if (list && (!items || items->size() > 1'000)) inner.reader.refuse(inner.at("ignore"), "is no list of ports");
    for (std::size_t i = 0; items && i < items->size(); ++i) {
      const auto port = (*items)[i].is_int64() ? (*items)[i].get_int64() : 0;
      if (port < 1 || port > 65'535) inner.reader.refuse(item_path(inner.at("ignore"), i), "is no port");
      else probe.ports->ignore.push_back(static_cast<std::uint32_t>(port));
    }
  });
}

void disk(const Place& place, ProbeSpec& probe) {
  const auto* value = place.find("disk");
  if (!value) return;
  probe.disk.emplace();
  if (value->is_string()) probe.disk->mount = place.text("disk", true, 1'000);
  else
    place.with("disk", [&](const Place& inner) {
      inner.reader.only(inner.object, inner.path, {"mount", "freePercent"});
      if (inner.find("mount")) probe.disk->mount = inner.text("mount", true, 1'000);
      probe.disk->free_percent_min = inner.number("freePercent", probe.disk->free_percent_min, 0, 99);
    });
  if (!probe.disk->mount.empty() && probe.disk->mount.front() != '/')
    place.reader.refuse(place.at("disk"), "names no absolute path");
}

void load(const Place& place, ProbeSpec& probe) {
  const auto* value = place.find("load");
  if (!value) return;
  probe.load.emplace();
  place.with("load", [&](const Place& inner) {
    inner.reader.only(inner.object, inner.path, {"percent"});
    probe.load->percent_max = inner.number("percent", probe.load->percent_max, 1, 100'000);
  });
}

}  // namespace

ProbeSpec read_probe(const Place& place) {
  place.reader.only(place.object, place.path,
                    {"name", "systemd", "tcp", "http", "command", "timeout", "journal", "ports", "disk", "load"});
  ProbeSpec probe;
  probe.name = place.text("name", true, 64);
  systemd(place, probe);
  tcp(place, probe);
  http(place, probe);
  command(place, probe);
  journal(place, probe);
  ports(place, probe);
  disk(place, probe);
  load(place, probe);
  const int kinds = int(probe.systemd.has_value()) + int(probe.tcp.has_value()) + int(probe.http.has_value()) +
                    int(probe.command.has_value()) + int(probe.journal.has_value()) + int(probe.ports.has_value()) +
                    int(probe.disk.has_value()) + int(probe.load.has_value());
  if (kinds != 1)
    place.reader.refuse(place.path, std::string(kinds ? "measures several things" : "measures nothing") +
                                        "; name one of systemd, tcp, http, command, journal, ports, disk, load");
  return probe;
}

// A gate must be able to open, and to close.
patchrun::Gate read_gate(const Place& place) {
  patchrun::Gate gate;
  place.reader.only(place.object, place.path, {"for", "every", "misses"});
  gate.watch = place.span("for", gate.watch, Duration::zero(), Duration(86'400'000));
  const bool once = gate.watch == Duration::zero();  // only to the first reading at which all are healthy
  if (!once && gate.watch < Duration(1'000)) place.reader.refuse(place.at("for"), "is below 1s; 0 reads once");
  gate.every =
      place.span("every", once ? gate.every : std::min(gate.every, gate.watch), Duration(500), Duration(3'600'000));
  gate.misses = place.number("misses", gate.misses, 1, 100);
  if (!once && gate.every * gate.misses > gate.watch)
    place.reader.refuse(place.path, "watches for " + humanize(gate.watch) + ", but " + std::to_string(gate.misses) +
                                        " misses, one every " + humanize(gate.every) + ", take longer: it could not " +
                                        "close; watch longer, or read more often");
  return gate;
}

}  // namespace belay::rollout::parts

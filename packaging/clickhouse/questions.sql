-- SPDX-License-Identifier: Apache-2.0
-- The heart of the four questions (docs/audit-queries.md), the last five minutes against the
-- fourteen days before. `sallyport audit ask` weighs more than this and says why; these are the sums
-- to build one's own boards on.

-- keys: from where was a key used where it was never successful before?
SELECT api_key_id, geo, asn, count() AS requests, uniqExact(ip) AS addresses
FROM sallyport.audit
WHERE kind = 'request' AND time >= now() - 300 AND time < now() AND api_key_id IS NOT NULL
  AND (ifNull(api_key_id, ''), ifNull(geo, ''), ifNull(asn, 0)) NOT IN
  (
      SELECT ifNull(api_key_id, ''), ifNull(geo, ''), ifNull(asn, 0)
      FROM sallyport.audit
      WHERE kind = 'request' AND time >= now() - 300 - 14 * 86400 AND time < now() - 300
        AND status >= 200 AND status < 300
      GROUP BY ifNull(api_key_id, ''), ifNull(geo, ''), ifNull(asn, 0)
  )
GROUP BY api_key_id, geo, asn
ORDER BY requests DESC, api_key_id
LIMIT 10;

-- ips: who is refused again and again, and with how many different keys?
SELECT ip, any(geo) AS country, sum(ifNull(repeated, 1)) AS refused, uniqExact(claimed_kid) AS claimed
FROM sallyport.audit
WHERE kind = 'request' AND time >= now() - 300 AND time < now() AND status IN (401, 403)
GROUP BY ip
ORDER BY refused DESC, ip
LIMIT 10;

-- cost: what did it cost, and what was the dearest hour before?
SELECT api_key_id, spent, dearest_hour
FROM
(
    SELECT ifNull(api_key_id, '') AS api_key_id, sum(cost_usd) AS spent
    FROM sallyport.audit
    WHERE kind = 'request' AND time >= now() - 300 AND time < now()
    GROUP BY api_key_id
)
ANY LEFT JOIN
(
    SELECT api_key_id, max(cost) AS dearest_hour
    FROM
    (
        SELECT ifNull(api_key_id, '') AS api_key_id, toStartOfHour(time) AS hour, sum(cost_usd) AS cost
        FROM sallyport.audit
        WHERE kind = 'request' AND time >= now() - 300 - 14 * 86400 AND time < now() - 300
        GROUP BY api_key_id, hour
    )
    GROUP BY api_key_id
)
USING api_key_id
ORDER BY spent DESC, api_key_id
LIMIT 10;

-- injection: who tried, and what got through to the provider?
SELECT api_key_id, count() AS attempts, countIf(upstream_status IS NOT NULL) AS got_through,
    max(`injection.score`) AS score_max
FROM sallyport.audit
WHERE kind = 'request' AND time >= now() - 300 AND time < now()
  AND `injection.verdict` IN ('alert', 'block')
GROUP BY api_key_id
ORDER BY got_through DESC, attempts DESC
LIMIT 10;

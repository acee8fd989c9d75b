WITH legs AS (
  SELECT f.flight_date, f.carrier, f.flight, f.origin, f.dest, f.dep_delay, f.arr_delay, f.distance, f.air_time,
         a.name AS airline, o.name AS from_name, d.name AS to_name,
         extract(hour FROM f.scheduled_dep) AS hour
  FROM flights AS f
  JOIN airlines AS a ON a.carrier = f.carrier
  JOIN airports AS o ON o.faa = f.origin
  LEFT JOIN airports AS d ON d.faa = f.dest
  WHERE f.flight_date BETWEEN {{ from }} AND {{ to }}
    AND f.origin IN ({{ origins | inlist }})
  {% if carrier %}
    AND f.carrier = {{ carrier }}
  {% endif %}
  {% if min_delay %}
    AND f.dep_delay >= {{ min_delay }}
  {% endif %}
),
weather_by_hour AS (
  SELECT w.origin, w.observed_on, w.hour, avg(w.wind_speed) AS wind, max(w.precip) AS rain,
         min(w.visib) AS visibility, count(*) FILTER (WHERE w.precip > 0) AS wet_readings
  FROM weather AS w
  WHERE w.observed_on BETWEEN {{ from }} AND {{ to }}
  GROUP BY w.origin, w.observed_on, w.hour
)
SELECT l.carrier, l.airline, l.origin, l.from_name, l.dest, coalesce(l.to_name, l.dest) AS destination,
       count(*) AS flights, count(*) FILTER (WHERE l.dep_delay IS NULL) AS cancelled,
       round(avg(l.dep_delay), 1) AS mean_dep_delay, round(avg(l.arr_delay), 1) AS mean_arr_delay,
       percentile_cont(0.95) WITHIN GROUP (ORDER BY l.arr_delay) AS p95_arr_delay,
       sum(l.distance) AS miles, round(avg(l.distance / nullif(l.air_time, 0) * 60), 0) AS miles_an_hour,
       round(avg(w.wind)::numeric, 1) AS wind, max(w.rain) AS rain, min(w.visibility) AS visibility,
       rank() OVER (PARTITION BY l.origin ORDER BY count(*) DESC) AS busiest,
       sum(count(*)) OVER (PARTITION BY l.carrier) AS flights_of_carrier,
       CASE WHEN avg(l.arr_delay) > 30 THEN 'late' WHEN avg(l.arr_delay) > 0 THEN 'slightly late' ELSE 'on time' END AS verdict
FROM legs AS l
LEFT JOIN weather_by_hour AS w ON w.origin = l.origin AND w.observed_on = l.flight_date AND w.hour = l.hour
GROUP BY l.carrier, l.airline, l.origin, l.from_name, l.dest, l.to_name
HAVING count(*) >= 5
ORDER BY flights DESC, l.carrier, l.origin, l.dest
